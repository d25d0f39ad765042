// What went wrong, and how to say it to a person. The API names a stable reason; words are ours (`error.REASON`).

import { hasWord, t } from "./words.js";

const OFFLINE = "OFFLINE";

/** A refusal of the API, or a network that is not there. */
export class Failure extends Error {
  constructor({ status = 0, reason = "", message = "", violations = [], retryAfter = 0 }) {
    super(message || reason);
    this.status = status;
    this.reason = reason;
    this.violations = violations;
    this.retryAfter = retryAfter;
  }

  /** The call never got an answer. */
  static offline() {
    return new Failure({ reason: OFFLINE });
  }

  /** From a `google.rpc.Status` as JSON. */
  static ofStatus(status, body, retryAfter = 0) {
    const details = body?.details ?? [];
    const of = (type) => details.find((detail) => detail["@type"]?.endsWith(`/google.rpc.${type}`));
    return new Failure({
      status,
      reason: of("ErrorInfo")?.reason ?? "",
      message: body?.message ?? "",
      violations: of("BadRequest")?.fieldViolations ?? [],
      retryAfter,
    });
  }

  /** From an answer that is not OK. */
  static async ofAnswer(answer) {
    const body = await answer.json().catch(() => null);
    return Failure.ofStatus(answer.status, body, Number(answer.headers.get("retry-after") ?? 0));
  }

  get offline() {
    return this.reason === OFFLINE;
  }

  /** The session is over: nothing but signing in again helps. */
  get endsSession() {
    return ["SESSION_REVOKED", "REFRESH_TOKEN_INVALID", "REFRESH_TOKEN_REUSED", "NO_SESSION", "ACCESS_TOKEN_INVALID"].includes(this.reason);
  }

  /** The access token is not taken; the cookie may have another. */
  get refusesToken() {
    return ["ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_INVALID", "SESSION_REVOKED"].includes(this.reason);
  }

  /** Worth another try without anybody doing anything. */
  get passing() {
    return this.offline || this.status >= 500 || this.status === 429;
  }
}

/** The sentence for *failure*, in the person's language. */
export function explain(failure) {
  if (!(failure instanceof Failure)) return t("error.UNKNOWN");
  const key = `error.${failure.reason}`;
  if (failure.retryAfter > 0 && hasWord(`${key}.later`)) return t(`${key}.later`, { wait: wait(failure.retryAfter) });
  if (hasWord(key)) return t(key);
  if (failure.status >= 500) return t("error.SERVER");
  return t("error.UNKNOWN");
}

/** The sentence for one field of a form, by the API's name for it. */
export function explainField(violation) {
  const field = violation.field.split(".").pop();
  if (hasWord(`error.${violation.reason}`) && !["INVALID_REQUEST", "INVALID_FIELD"].includes(violation.reason)) {
    return t(`error.${violation.reason}`);
  }
  return hasWord(`invalid.${field}`) ? t(`invalid.${field}`) : violation.description;
}

function wait(seconds) {
  if (seconds < 90) return t("wait.seconds", { count: Math.ceil(seconds) });
  if (seconds < 5400) return t("wait.minutes", { count: Math.ceil(seconds / 60) });
  return t("wait.hours", { count: Math.ceil(seconds / 3600) });
}
