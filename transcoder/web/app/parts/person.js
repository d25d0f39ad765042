// A person, up close: cheer them, choose what they see, or have no more to do with them.

import { all, get, once, post, remove } from "../lib/api.js";
import { h, put } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { avatar } from "./avatar.js";
import { confirmed, openDialog } from "./dialog.js";
import { choice, field, form } from "./form.js";
import { icon } from "./icons.js";
import { complain, toast } from "./notices.js";
import { workButton } from "./people.js";
import { loaded } from "./states.js";

const CHEERS = ["CLAP", "FIRE", "HEART", "STRONG", "THUMBS_UP"];
const REASONS = ["SPAM", "HARASSMENT", "INAPPROPRIATE", "CHEATING", "IMPERSONATION", "OTHER"];

/** Show *who*, a userId and nickname, in a dialog. *onChange* hears of what alters lists of people. */
export function openPerson(who, { signal, onChange = () => {} }) {
  const body = h("div", { class: "person" });
  const dialog = openDialog(who.nickname, body, { signal });
  const leave = new AbortController();
  dialog.addEventListener("close", () => leave.abort(), { once: true });
  const done = (text) => {
    dialog.close();
    toast(text, "good");
    onChange();
  };
  loaded(body, {
    load: async () => {
      const { user } = await get(`/v1/users/${who.userId}`, undefined, leave.signal);
      const friends = user.friendshipState === "FRIENDS" ? await all("/v1/friends", "friends", {}, leave.signal) : [];
      return { user, friend: friends.find((each) => each.userId === who.userId) };
    },
    draw: ({ user, friend }) => friend ? ofFriend(friend, done, dialog) : ofOther(user, done),
    rows: 2,
    signal: leave.signal,
  });
  return dialog;
}

function ofFriend(friend, done, dialog) {
  return [
    head(friend, friend.dailyGoal ? t("person.goal", { steps: friend.dailyGoal }) : t("person.friend")),
    h("h3", null, t("person.cheer")),
    cheers(friend, dialog),
    visibility(friend),
    more(friend, done, workButton({ class: "button quiet" }, t("person.remove"), () => part(friend, done))),
  ];
}

function ofOther(user, done) {
  const ask = workButton({ class: "button primary" }, t("friends.ask"), async () => done(t(await askFriendship(user.userId), { name: user.nickname })));
  return [head(user, user.friendshipState === "REQUESTED" ? t("person.waiting") : ""), user.friendshipState === "NONE" ? ask : null, more(user, done, null)];
}

/** Ask for somebody's friendship; the words for what came of it. */
export async function askFriendship(userId) {
  const { friendship } = await once("/v1/friend-requests", { userId });
  return friendship.state === "FRIENDS" ? "friends.nowFriends" : "friends.asked";
}

function head(person, text) {
  return h("div", { class: "person-head" }, avatar(person, "large"), h("p", null, text));
}

function cheers(friend, dialog) {
  const properties = (kind) => ({ class: "cheer", "data-kind": kind, "aria-label": t(`cheer.${kind}`), title: t(`cheer.${kind}`) });
  return h("div", { class: "cheers" }, CHEERS.map((kind) => workButton(properties(kind), icon(kind), async () => {
    await once(`/v1/friends/${friend.userId}:cheer`, { kind });
    dialog.close();
    toast(t("person.cheered", { name: friend.nickname }), "good");
  })));
}

function visibility(friend) {
  const options = [["", t("visibility.same")], ...["FRIENDS", "ROUNDED", "RANK_ONLY", "HIDDEN"].map((each) => [each, t(`visibility.${each}`)])];
  const value = friend.visibility === "VISIBILITY_UNSPECIFIED" ? "" : friend.visibility;
  const made = choice("visibility", t("person.sees", { name: friend.nickname }), options, { value });
  made.querySelector("select").addEventListener("change", async ({ target: { value: visibility } }) => {
    try {
      await post(`/v1/friends/${friend.userId}:visibility`, visibility ? { visibility } : {});
      toast(t("settings.saved"), "good");
    } catch (error) {
      complain(error);
    }
  });
  return made;
}

function more(person, done, first) {
  const place = h("div", null);
  const block = workButton({ class: "button quiet" }, t("person.block"), async () => {
    if (!await confirmed(t("person.blockTitle", { name: person.nickname }), t("person.blockText"), t("person.block"))) return;
    await post("/v1/blocks", { userId: person.userId });
    done(t("person.blocked", { name: person.nickname }));
  });
  const report = h("button", { type: "button", class: "button quiet", onclick: () => put(place, reportForm(person, done)) }, t("person.report"));
  return h("details", { class: "more" }, h("summary", null, t("person.more")), h("div", { class: "actions start" }, first, block, report), place);
}

function reportForm(person, done) {
  return form([choice("reason", t("report.reason"), REASONS.map((each) => [each, t(`report.${each}`)]), { value: "SPAM" }), field("text", t("report.text"), { maxlength: 1000 })], {
    verb: t("person.report"),
    verbClass: "danger",
    send: async ({ reason, text }) => {
      await once(`/v1/users/${person.userId}:report`, { reason, ...(text ? { text } : {}) });
      done(t("report.done"));
    },
  });
}

async function part(friend, done) {
  if (!await confirmed(t("person.removeTitle", { name: friend.nickname }), t("person.removeText"), t("person.remove"))) return;
  await remove(`/v1/friends/${friend.userId}`);
  done(t("person.removed", { name: friend.nickname }));
}
