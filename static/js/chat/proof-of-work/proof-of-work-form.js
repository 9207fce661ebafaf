// Forms for everybody: the challenge is solved while the form is filled in, and goes with it.

import { Challenge } from "./challenge.js";

function guardForms() {
  for (const form of document.querySelectorAll("form[data-challenge]")) guard(form);
  document.documentElement.dataset.ready = "";
}

function guard(form) {
  const challenge = new Challenge();
  let sending = false;
  challenge.prepare();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (sending) return;
    sending = true;
    // Without a solution the form goes all the same: the site's answer says what is missing.
    form.elements.altcha.value = await challenge.take().catch(() => "");
    form.submit();
    sending = false; // the browser may bring the page back as it was
  });
}

guardForms();
