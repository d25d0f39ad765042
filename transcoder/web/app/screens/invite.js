// `/?invite=CODE`: the way from a link or a QR picture to a friendship, or into a group.

import { once, post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { explain } from "../lib/failure.js";
import { t } from "../lib/words.js";
import { openDialog } from "../parts/dialog.js";
import { toast } from "../parts/notices.js";

/** Ask whether to take the invitation that the address holds, if any. It is taken out of the address then. */
export function acceptInvite(signal) {
  const code = new URLSearchParams(location.search).get("invite");
  if (!code) return;
  const fault = h("p", { class: "fault", role: "alert" });
  const accept = h("button", { type: "button", class: "button primary", onclick: send }, t("invite.accept"));
  const later = h("button", { type: "button", class: "button quiet", onclick: () => dialog.close() }, t("invite.not"));
  const dialog = openDialog(t("invite.title"), [h("p", null, t("invite.text")), fault, h("div", { class: "actions" }, later, accept)], { signal });
  dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.hash), { once: true });
  accept.focus();

  async function send() {
    accept.disabled = true;
    try {
      toast(await taken(code), "good");
      dialog.close();
    } catch (error) {
      accept.disabled = false;
      fault.textContent = error.violations?.length ? t("error.INVITE_NOT_FOUND") : explain(error); // of half a link, too
    }
  }
}

/** What came of it, in words. Links to friends and to groups look the same: what is no friend's code may be a group's. */
async function taken(code) {
  try {
    const { friendship } = await once("/v1/friend-requests", { inviteCode: code });
    return t(friendship.state === "FRIENDS" ? "friends.nowFriends" : "friends.asked", { name: friendship.nickname });
  } catch (error) {
    if (error.reason !== "INVITE_NOT_FOUND") throw error;
  }
  const { group, state } = await post("/v1/groups:join", { code });
  return t(state === "JOINED" ? "groups.joined" : "groups.asked", { name: group.name });
}
