// What owner and administrators can change about a group.

import { patch } from "../lib/api.js";
import { t } from "../lib/words.js";
import { openDialog } from "../parts/dialog.js";
import { choice, field, form } from "../parts/form.js";
import { toast } from "../parts/notices.js";

export function openEdit(group, signal, done) {
  const dialog = openDialog(t("groups.edit"), form([
    field("name", t("groups.name"), { required: true, maxlength: 40, value: group.name }),
    field("description", t("groups.description"), { maxlength: 500, value: group.description }),
    field("maxMembers", t("groups.maxMembers"), { type: "number", min: 2, max: 200, required: true, value: group.maxMembers }),
    choice("joinPolicy", t("groups.policy"), ["CODE", "OPEN", "REQUEST"].map((each) => [each, t(`policy.${each}`)]), { value: group.joinPolicy }),
  ], {
    verb: t("action.save"),
    send: async (fields) => {
      await patch(`/v1/groups/${group.groupId}`, fields, ["name", "description", "maxMembers", "joinPolicy"]);
      dialog.close();
      toast(t("settings.saved"), "good");
      done();
    },
  }), { signal });
}
