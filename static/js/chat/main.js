// Makes the chat page live: the one place that finds its parts and joins them.

import { Challenge } from "./proof-of-work/challenge.js";
import { AnswerSource } from "./stream/answer-source.js";
import { TurnApi } from "./stream/turn-api.js";
import { TurnRunner } from "./stream/turn-runner.js";
import { TabChannel } from "./tabs/tab-channel.js";
import { TabStreams } from "./tabs/tab-streams.js";
import { TabSync } from "./tabs/tab-sync.js";
import { Conversation } from "./thread/conversation.js";
import { listenForCopy } from "./thread/copy.js";
import { StickyBottom } from "./thread/scroll.js";
import { Thread } from "./thread/thread.js";
import { Announcer } from "./ui/announcer.js";
import { Composer } from "./ui/composer.js";
import { keepKeysOfCompositions } from "./ui/keyboard.js";
import { ConversationMenu } from "./ui/conversation-menu.js";
import { dismissMenus } from "./ui/dismiss-menus.js";
import { Draft } from "./ui/draft.js";
import { LimitWarning } from "./ui/limit-warning.js";
import { Sidebar } from "./ui/sidebar.js";
import { urlFor } from "./urls.js";

function startPage() {
  const root = document.querySelector("[data-conversation]");
  keepKeysOfCompositions();
  // before the sidebar: an Escape that closes a menu in the drawer leaves the drawer open
  dismissMenus();
  const page = makeParts(root);
  connect(page);
  followLifeOf(page);
  listenForCopy(root, page.announcer, (message) => page.composer.notify(message));
  page.draft.restore();
  page.tabs.start();
  page.tabSync.start();
  if (location.hash) page.scroll.release();
  else page.scroll.toBottom();
  page.conversation.resume();
  page.turnApi.prepare();
  page.limitWarning.update();
  document.documentElement.dataset.ready = "";
}

function makeParts(root) {
  const { person } = root.dataset;
  const views = makeViews(root);
  const { composer, announcer, sidebar } = views;
  const streams = new TabStreams(person);
  const turnApi = new TurnApi(new Challenge(), views.isChallengeDue);
  const turns = new TurnRunner(new AnswerSource(streams, turnApi), composer, announcer);
  const conversation = new Conversation(root, { ...views, turns });
  const tabs = new TabChannel(person);
  const tabSync = new TabSync(conversation, sidebar);
  return { ...views, streams, turnApi, turns, conversation, tabs, tabSync };
}

function makeViews(root) {
  const thread = root.querySelector("[data-thread]");
  const form = root.querySelector("[data-composer]");
  const shown = () => root.dataset.conversation;
  return {
    root,
    thread: new Thread(thread),
    scroll: new StickyBottom(thread, root.querySelector("[data-jump] button")),
    composer: new Composer(form),
    isChallengeDue: "challengeDue" in form.dataset,
    draft: new Draft(form.elements.content, root.dataset.person, shown),
    limitWarning: new LimitWarning(root.querySelector("[data-limit-warning]")),
    announcer: new Announcer(document.querySelector("[data-announcer]")),
    menu: new ConversationMenu(root),
    sidebar: new Sidebar(root),
  };
}

function connect(page) {
  connectTurns(page);
  connectMenu(page);
  const { composer, conversation, turns, tabs, tabSync, root } = page;
  composer.addEventListener("send", ({ detail }) => conversation.ask(detail));
  composer.addEventListener("stop", () => turns.stop());
  tabs.addEventListener("message", ({ detail }) => tabSync.receive(detail));
  root.addEventListener("editor-closed", () => tabSync.catchUp());
}

function connectTurns({ turns, conversation, scroll, sidebar, limitWarning, tabs, tabSync }) {
  turns.addEventListener("begin", () => scroll.toBottom());
  conversation.addEventListener("started", ({ detail }) => {
    sidebar.show(detail.conversation, detail.title);
    tabs.broadcast({ event: "started", ...detail });
  });
  turns.addEventListener("ended", ({ detail }) => {
    if (!conversation.id) return;
    limitWarning.update();
    tabs.broadcast({ event: "ended", conversation: conversation.id, ...detail });
  });
  turns.addEventListener("idle", () => tabSync.catchUp());
}

function connectMenu({ menu, conversation, composer, sidebar, tabs }) {
  menu.addEventListener("renamed", ({ detail: title }) => {
    sidebar.rename(conversation.id, title);
    tabs.broadcast({ event: "renamed", conversation: conversation.id, title });
  });
  menu.addEventListener("deleted", () => {
    tabs.broadcast({ event: "deleted", conversation: conversation.id });
    location.assign(urlFor("home"));
  });
  menu.addEventListener("failed", ({ detail }) => composer.notify(detail.message, detail.code));
}

function followLifeOf({ draft, streams, tabs, tabSync }) {
  window.addEventListener("pagehide", () => {
    draft.keep();
    tabs.stop();
    streams.stop();
    tabSync.stop();
  });
  // A phone may end a tab that is out of sight without a further word.
  document.addEventListener("visibilitychange", () => draft.keep());
  const signOut = document.querySelector("[data-sign-out]");
  signOut?.addEventListener("submit", () => draft.forgetAll());
  // A page that the browser had put aside comes back as it was, deaf to what happened meanwhile.
  window.addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    tabs.start();
    tabSync.start();
    tabSync.markStale();
  });
}

startPage();
