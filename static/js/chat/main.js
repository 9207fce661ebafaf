// Makes the page live: finds its parts and joins them.

import { Announcer } from "./ui/announcer.js";
import { prepareTurn } from "./stream/turn-api.js";
import { Composer } from "./ui/composer.js";
import { keepKeysOfCompositions } from "./ui/composition.js";
import { Conversation } from "./thread/conversation.js";
import { listenForCopy } from "./thread/copy.js";
import { Draft } from "./ui/draft.js";
import { TabSync } from "./tabs/tab-sync.js";
import { ConversationMenu } from "./ui/conversation-menu.js";
import { dismissMenus } from "./ui/dismiss-menus.js";
import { LimitWarning } from "./ui/limit-warning.js";
import { StickyBottom } from "./thread/scroll.js";
import { Sidebar } from "./ui/sidebar.js";
import { TabStreams } from "./tabs/tab-streams.js";
import { TabChannel } from "./tabs/tab-channel.js";
import { Thread } from "./thread/thread.js";
import { urlFor } from "./urls.js";

const root = document.querySelector(".conversation");
const threadElement = root.querySelector("[data-thread]");
const thread = new Thread(threadElement);
const scroll = new StickyBottom(threadElement, root.querySelector("[data-jump] button"));
const announcer = new Announcer(document.querySelector("[data-announcer]"));
keepKeysOfCompositions();
dismissMenus(); // before the sidebar: an Escape that closes a menu in the drawer leaves the drawer open
const sidebar = new Sidebar();
const limitWarning = new LimitWarning(root.querySelector("[data-limit-warning]"));

const streams = new TabStreams(root.dataset.person);
const menu = new ConversationMenu(root, {
  onRenamed(title) {
    sidebar.rename(conversation.id, title);
    tabs.broadcast({ event: "renamed", conversation: conversation.id, title });
  },
  onDeleted() {
    tabs.broadcast({ event: "deleted", conversation: conversation.id });
    location.assign(urlFor("home"));
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
    tabs.broadcast({ event: "started", ...turn });
  },
  onEnded(turn) {
    limitWarning.update();
    tabs.broadcast({ event: "ended", ...turn });
  },
  onIdle: () => tabSync.catchUp(),
});
const composer = new Composer(root.querySelector("[data-composer]"), {
  onSend: (text) => conversation.ask(text),
  onStop: () => conversation.stop(),
});
const draft = new Draft(document.getElementById("content"), root.dataset.person, () => root.dataset.conversation);
const tabSync = new TabSync(conversation, sidebar);
const tabs = new TabChannel(root.dataset.person, (message) => tabSync.receive(message));

function start() {
  tabs.start();
  tabSync.start();
}

function stop() {
  draft.keep();
  tabs.stop();
  streams.stop();
  tabSync.stop();
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
  tabSync.markStale();
});
if (location.hash) scroll.release();
else scroll.toBottom();
conversation.resume();
prepareTurn();
limitWarning.update();
document.documentElement.dataset.ready = "";
