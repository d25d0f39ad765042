// Adding steps by hand, for trying things out: a browser counts none. They are told as a device of their own, which tells
// what it has counted so far in this hour, as phones do.

import { get, post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { Failure } from "../lib/failure.js";
import { recall } from "../lib/kept.js";
import { shared } from "../lib/store.js";
import { count, t } from "../lib/words.js";
import { openDialog } from "../parts/dialog.js";
import { field, form } from "../parts/form.js";
import { toast } from "../parts/notices.js";

const OFFERED = [100, 500, 1000, 2500];

/** Ask how many, and tell them to the server. */
export function openWalk({ signal }) {
  const number = field("steps", t("walk.steps"), { type: "number", min: 1, max: 15_000, step: 1, value: 500, required: true, inputmode: "numeric" });
  const input = number.querySelector("input");
  const offers = h("div", { class: "offers", role: "group", "aria-label": t("walk.offers") }, OFFERED.map((steps) => h("button", {
    type: "button", class: "chip", onclick: () => {
      input.value = String(steps);
    },
  }, `+${count(steps)}`)));
  const dialog = openDialog(t("walk.title"), [h("p", { class: "lead-in" }, t("walk.text")), form([offers, number], {
    verb: t("walk.add"),
    send: async ({ steps }) => {
      const total = await add(steps);
      dialog.close();
      toast(t("walk.added", { steps, total }), "good");
    },
  })], { signal });
  input.select();
}

async function add(steps) {
  const now = clock(shared.get().user.timeZone);
  const deviceId = `web-${(recall("installation") ?? "browser").slice(0, 12)}`;
  const counted = await countedSoFar(now.date, deviceId, now.hour);
  const reading = { deviceId, date: now.date, hour: now.hour, steps: counted + steps, source: "MANUAL" };
  const { results, days } = await post("/v1/steps", { readings: [reading] });
  if (results[0].verdict === "REJECTED") throw new Failure({ status: 400, reason: results[0].reason });
  return days[0].total;
}

async function countedSoFar(date, deviceId, hour) {
  const { days } = await get("/v1/steps/days", { startDate: date, endDate: date });
  if (days.length === 0) return 0;
  const { day } = await get(`/v1/steps/days/${date}`); // with its devices, which lists leave out
  return day.devices.find((device) => device.deviceId === deviceId)?.hourly[hour] ?? 0;
}

/** The civil date and hour where the user lives. */
function clock(timeZone) {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", hourCycle: "h23" }).formatToParts(new Date());
  const of = (type) => parts.find((part) => part.type === type).value;
  return { date: `${of("year")}-${of("month")}-${of("day")}`, hour: Number(of("hour")) };
}
