// Makes the page live: finds its parts and joins them.

import { Announcer } from "./announcer.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { listenForCopy } from "./copy.js";
import { StickyBottom } from "./scroll.js";
import { closeMenus, Sidebar } from "./sidebar.js";
import { Thread } from "./thread.js";

const root = document.querySelector(".conversation");
const threadElement = root.querySelector("[data-thread]");
const thread = new Thread(threadElement);
const scroll = new StickyBottom(threadElement, root.querySelector("[data-jump] button"));
const announcer = new Announcer(document.querySelector("[data-announcer]"));
const conversation = new Conversation(root, { thread, scroll, sidebar: new Sidebar(), announcer });
const composer = new Composer(root.querySelector("[data-composer]"), {
  onSend: (text) => conversation.ask(text),
  onStop: () => conversation.stop(),
});

conversation.useComposer(composer);
listenForCopy(root);
closeMenus();
if (location.hash) scroll.release();
else scroll.toBottom();
if (thread.streamingAnswer) conversation.resume(thread.streamingAnswer);
document.documentElement.dataset.ready = "";
