// A link and a QR picture by which others become friends.

import { once, raw, remove } from "../lib/api.js";
import { h, put } from "../lib/dom.js";
import { moment, t } from "../lib/words.js";
import { sharedLink } from "../parts/shared-link.js";
import { lineButton } from "../parts/people.js";
import { empty, loaded } from "../parts/states.js";

/** Nothing is made before somebody asks for it: each code is good for a week, and there may be 20. */
export function inviteView(signal) {
  const place = h("div", { class: "card" });
  const offer = () => put(place, empty("friends", t("invite.makeTitle"), t("invite.makeText"), h("button", { type: "button", class: "button primary", onclick: make }, t("invite.make"))));

  function make() {
    let invite = null; // made once, whatever becomes of its picture
    loaded(place, {
      load: async () => {
        invite ??= (await once("/v1/friend-invites", {})).invite;
        const picture = await raw(`/v1/friend-invites/${invite.code}:qr`, { signal, headers: { accept: "image/png" } });
        return URL.createObjectURL(await picture.blob());
      },
      draw: (picture, drawing) => {
        drawing.addEventListener("abort", () => URL.revokeObjectURL(picture), { once: true });
        return h("div", { class: "invite" },
          h("img", { class: "qr", src: picture, alt: t("invite.qr"), width: 220, height: 220 }),
          sharedLink(invite.url, t("invite.link")),
          h("p", { class: "hint" }, t("invite.until", { date: moment(invite.expireTime) })),
          lineButton(t("invite.revoke"), async () => {
            await remove(`/v1/friend-invites/${invite.code}`);
            offer();
          }, { kind: "quiet" }));
      },
      rows: 3,
      signal,
    });
  }
  offer();
  return place;
}
