// Name, time zone, goal, and what friends see.

import { get, patch, put as send } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { shared } from "../lib/store.js";
import { civil, t } from "../lib/words.js";
import { choice, field, form, tick } from "../parts/form.js";
import { toast } from "../parts/notices.js";
import { loaded } from "../parts/states.js";
import { section } from "./section.js";

const VISIBILITIES = ["FRIENDS", "ROUNDED", "RANK_ONLY", "HIDDEN"];

export function aboutMe(signal) {
  const place = h("div", { class: "sections" });
  loaded(place, {
    load: async () => {
      const [{ goal }, { user }] = await Promise.all([get("/v1/goals/me", undefined, signal), get("/v1/users/me", undefined, signal)]);
      return { goal, user };
    },
    draw: ({ goal, user }) => [goalSection(goal), profile(user), visibility(user)],
    signal,
  });
  return place;
}

function goalSection(goal) {
  return section(t("goal.title"), goal.firstDate && goal.currentDailySteps !== goal.dailySteps ? t("goal.from", { steps: goal.dailySteps, date: civil(goal.firstDate, { weekday: "long", day: "numeric", month: "long" }) }) : t("goal.text"), form([
    field("dailySteps", t("goal.steps"), { type: "number", min: 100, max: 100_000, step: 1, required: true, inputmode: "numeric", value: goal.dailySteps || 8000 }),
    tick("shared", t("goal.shared"), { checked: goal.shared }),
  ], {
    verb: t("action.save"),
    send: async (fields) => {
      const saved = (await send("/v1/goals/me", fields)).goal;
      toast(saved.currentDailySteps === saved.dailySteps ? t("settings.saved") : t("goal.tomorrow"), "good");
    },
  }));
}

function profile(user) {
  return section(t("settings.profile"), "", form([
    field("nickname", t("field.nickname"), { required: true, maxlength: 20, value: user.nickname, autocomplete: "nickname", hint: t("hint.nickname") }),
    choice("timeZone", t("field.timeZone"), zones(user.timeZone).map((zone) => [zone, zone.replaceAll("_", " ")]), { value: user.timeZone, hint: t("hint.timeZone") }),
  ], {
    verb: t("action.save"),
    send: async (fields) => {
      const changed = Object.keys(fields).filter((name) => fields[name] !== user[name]);
      if (changed.length > 0) {
        const saved = (await patch("/v1/users/me", fields, changed)).user;
        Object.assign(user, saved);
        shared.set({ user: saved });
      }
      toast(t("settings.saved"), "good");
    },
  }));
}

function visibility(user) {
  const choices = VISIBILITIES.map((each) => {
    const id = `visibility-${each}`;
    return h("div", { class: "radio" },
      h("input", { type: "radio", name: "visibility", id, value: each, checked: each === user.visibility, "aria-describedby": `${id}-hint` }),
      h("label", { for: id }, t(`visibility.${each}`)), h("p", { class: "hint", id: `${id}-hint` }, t(`visibility.${each}.hint`)));
  });
  return section(t("settings.visibility"), t("settings.visibilityText"), form(h("fieldset", { class: "radios" }, h("legend", { class: "unseen" }, t("settings.visibility")), choices), {
    verb: t("action.save"),
    send: async (fields) => {
      shared.set({ user: (await patch("/v1/users/me", fields, ["visibility"])).user });
      toast(t("settings.saved"), "good");
    },
  }));
}

function zones(own) {
  const known = Intl.supportedValuesOf?.("timeZone") ?? [];
  return known.includes(own) ? known : [own, ...known];
}
