// Makes the page live: finds its parts and joins them.

import { Announcer } from "./ui/announcer.js";
import { prepareTurn } from "./stream/begin.js";
import { Composer } from "./ui/composer.js";
import { keepKeysOfCompositions } from "./ui/composition.js";
import { Conversation } from "./thread/conversation.js";
import { listenForCopy } from "./thread/copy.js";
import { Draft } from "./ui/draft.js";
import { Follower } from "./tabs/follower.js";
import { ConversationMenu } from "./ui/menu.js";
import { closeMenus } from "./ui/menus.js";
import { Nearly } from "./ui/nearly.js";
import { StickyBottom } from "./thread/scroll.js";
import { Sidebar } from "./ui/sidebar.js";
import { TabStreams } from "./tabs/tab-streams.js";
import { Tabs } from "./tabs/tabs.js";
import { Thread } from "./thread/thread.js";

const root = document.querySelector(".conversation");
const threadElement = root.querySelector("[data-thread]");
const thread = new Thread(threadElement);
const scroll = new StickyBottom(threadElement, root.querySelector("[data-jump] button"));
const announcer = new Announcer(document.querySelector("[data-announcer]"));
keepKeysOfCompositions();
closeMenus(); // before the sidebar: an Escape that closes a menu in the drawer leaves the drawer open
const sidebar = new Sidebar();
const nearly = new Nearly(root.querySelector("[data-nearly]"));

const streams = new TabStreams(root.dataset.person);
const menu = new ConversationMenu(root, {
  onRenamed(title) {
    sidebar.rename(conversation.id, title);
    tabs.tell({ event: "renamed", conversation: conversation.id, title });
  },
  onDeleted() {
    tabs.tell({ event: "deleted", conversation: conversation.id });
    location.assign("/");
  },
  onFailed: (message, code) => conversation.notify(message, code),
});
const conversation = new Conversation(root, {
  thread,
  scroll,
  menu,
  announcer,
  tabs: streams,
  onStarted(turn) {
    sidebar.show(turn.conversation, turn.title);
    tabs.tell({ event: "started", ...turn });
  },
  onEnded(turn) {
    nearly.update();
    tabs.tell({ event: "ended", ...turn });
  },
  onIdle: () => follower.catchUp(),
});
const composer = new Composer(root.querySelector("[data-composer]"), {
  onSend: (text) => conversation.ask(text),
  onStop: () => conversation.stop(),
});
const draft = new Draft(document.getElementById("content"), root.dataset.person, () => root.dataset.conversation);
const follower = new Follower(conversation, sidebar);
const tabs = new Tabs(root.dataset.person, (message) => follower.hear(message));

function start() {
  tabs.start();
  follower.start();
}

function stop() {
  draft.keep();
  tabs.stop();
  streams.stop();
  follower.stop();
}

conversation.useComposer(composer);
listenForCopy(root, announcer, (message) => conversation.notify(message));
draft.restore();
start();
window.addEventListener("pagehide", stop);
// A phone may end a tab that is out of sight without a further word.
document.addEventListener("visibilitychange", () => draft.keep());
document.querySelector("[data-sign-out]")?.addEventListener("submit", () => draft.forgetAll());
// A page that the browser had put aside comes back as it was, deaf to what happened meanwhile.
window.addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  start();
  follower.missed();
});
if (location.hash) scroll.release();
else scroll.toBottom();
conversation.resume();
prepareTurn();
nearly.update();
document.documentElement.dataset.ready = "";
