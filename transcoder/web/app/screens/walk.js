// Adding steps by hand, for trying things out: a browser counts none. They are told as a device of their own, which has
// counted all that there is of this hour and these; where this hour makes no difference to the day, of the whole date.

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
  const date = await today();
  const { days: [day] } = await get("/v1/steps/days", { startDate: date, endDate: date });
  const now = clock(shared.get().user.timeZone);
  const byHour = now.date === date && (!day || sum(day.hourly) === day.total);
  const counted = (byHour ? day?.hourly[now.hour] : day?.total) ?? 0;
  const deviceId = `web-${(recall("installation") ?? "browser").slice(0, 12)}`;
  const reading = { deviceId, date, ...(byHour ? { hour: now.hour } : {}), steps: counted + steps, source: "MANUAL" };
  const { results, days } = await post("/v1/steps", { readings: [reading] });
  if (results[0].verdict === "REJECTED") throw new Failure({ status: 400, reason: results[0].reason });
  return days[0].total;
}

/** The user's date as the server has it: another time zone holds from the next one on. */
async function today() {
  return (await get("/v1/stats/me", { period: "DAY" })).stats.startDate;
}

function sum(numbers) {
  return numbers.reduce((total, each) => total + each, 0);
}

/** The civil date and hour where the user lives. */
function clock(timeZone) {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", hourCycle: "h23" }).formatToParts(new Date());
  const of = (type) => parts.find((part) => part.type === type).value;
  return { date: `${of("year")}-${of("month")}-${of("day")}`, hour: Number(of("hour")) };
}
