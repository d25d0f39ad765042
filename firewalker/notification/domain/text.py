"""The words of notifications, per locale: templates, and how several people become one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firewalker.notification.domain.korean import Word
from firewalker.notification.domain.notification import Notification, Type
from firewalker.notification.domain.preferences import Locale


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads: one line, and a sentence."""

    title: str
    body: str


_EN: Final[Mapping[str, Text]] = {
    "FRIEND_REQUEST": Text("Friend request", "{who} {wants} to be your friend."),
    "FRIEND_ACCEPTED": Text("New friend", "{who} accepted your friend request."),
    "OVERTAKEN": Text("You were passed", "{who} passed you. Keep walking!"),
    "TOOK_FIRST_PLACE": Text("First place", "You took the lead among your friends."),
    "GOAL_REACHED": Text("Goal reached", "You reached your goal of {daily_steps} steps."),
    "FRIEND_GOAL_REACHED": Text("A goal reached", "{who} reached the day's goal."),
    "GROUP_JOIN_REQUEST": Text("Request to join", "{who} {wants} to join {group_name}."),
    "GROUP_JOINED": Text("New in {group_name}", "{who} joined {group_name}."),
    "GROUP_JOINED.me": Text("Welcome", "You are now a member of {group_name}."),
    "CHEER": Text("A cheer", "{who} {cheers} you on!"),
    "DAY_RESULT": Text("Your day", "You walked {walked} and came {place} of {ranked}."),
    "DAY_RESULT.alone": Text("Your day", "You walked {walked}."),
    "SECURITY.NEW_LOGIN": Text("New sign-in", "Your account was signed in to on {device}. Was it not you? Change your password."),
    "SECURITY.PASSWORD_CHANGED": Text("Password changed", "Your password was changed. Was it not you? Reset it now."),
    "SECURITY.EMAIL_CHANGED": Text("E-mail address changed", "The e-mail address of your account was changed."),
    "SECURITY.TOKEN_REUSED": Text("Session ended", "A session of yours was ended because a copy of its key was used."),
    "SECURITY.PROVIDER_LINKED": Text("New way to sign in", "Your account can now be signed in to with Kakao, Google or Apple. Was it not you? Unlink it."),
    "SECURITY": Text("Your account", "Something about your account has changed."),
}  # fmt: skip

_KO: Final[Mapping[str, Text]] = {
    "FRIEND_REQUEST": Text("친구 요청", "{who:이/가} 친구 요청을 보냈어요."),
    "FRIEND_ACCEPTED": Text("새 친구", "{who:이/가} 친구 요청을 수락했어요."),
    "OVERTAKEN": Text("순위가 바뀌었어요", "{who:이/가} 앞질렀어요. 다시 걸어 볼까요?"),
    "TOOK_FIRST_PLACE": Text("1위 달성", "친구들 중 1위로 올라섰어요."),
    "GOAL_REACHED": Text("목표 달성", "오늘의 목표 {daily_steps}보를 달성했어요."),
    "FRIEND_GOAL_REACHED": Text("친구의 목표 달성", "{who:이/가} 오늘의 목표를 달성했어요."),
    "GROUP_JOIN_REQUEST": Text("가입 요청", "{who:이/가} {group_name:을/를} 함께하고 싶어 해요."),
    "GROUP_JOINED": Text("새 멤버", "{who:이/가} {group_name:과/와} 함께해요."),
    "GROUP_JOINED.me": Text("가입 완료", "{group_name:은/는} 이제 함께 걷는 그룹이에요."),
    "CHEER": Text("응원이 도착했어요", "{who:이/가} 응원을 보냈어요!"),
    "DAY_RESULT": Text("하루 결과", "{steps}보를 걸어 {ranked}명 중 {rank}위를 했어요."),
    "DAY_RESULT.alone": Text("하루 결과", "{steps}보를 걸었어요."),
    "SECURITY.NEW_LOGIN": Text("새 로그인", "{device}에서 로그인했어요. 본인이 아니라면 비밀번호를 바꿔 주세요."),
    "SECURITY.PASSWORD_CHANGED": Text("비밀번호 변경", "비밀번호가 변경되었어요. 본인이 아니라면 바로 재설정해 주세요."),
    "SECURITY.EMAIL_CHANGED": Text("이메일 변경", "계정의 이메일 주소가 변경되었어요."),
    "SECURITY.TOKEN_REUSED": Text("세션 종료", "복사된 키가 사용되어 세션을 종료했어요."),
    "SECURITY.PROVIDER_LINKED": Text("로그인 수단 추가", "카카오, 구글 또는 애플 로그인이 연결되었어요. 본인이 아니라면 연결을 해제해 주세요."),
    "SECURITY": Text("내 계정", "계정에 변경된 내용이 있어요."),
}  # fmt: skip

_TEMPLATES = {Locale.EN: _EN, Locale.KO: _KO}


_BARE = {
    Locale.EN: Text("Firewalker", "There is something new."),
    Locale.KO: Text("Firewalker", "새로운 소식이 있어요."),
}


def bare_text(locale: Locale) -> Text:
    """Words that tell nothing, for who wants it so."""
    return _BARE[locale]


def text_of(notification: Notification, locale: Locale) -> Text:
    """The words of *notification* in *locale*."""
    return text_of_all([notification], locale)


def text_of_all(notifications: Sequence[Notification], locale: Locale) -> Text:
    """The words of several of one type, the one that counts first: its facts, and how many other people there are."""
    first = notifications[0]
    templates = _TEMPLATES[locale]
    template = templates.get(f"{first.type.value}{_variant(first)}") or templates[first.type.value]
    people = {n.actor_id or n.params.get("user_id", "") for n in notifications}
    facts: dict[str, object] = {name: Word(value) for name, value in first.params.items()}
    facts |= _korean(first, len(people)) if locale is Locale.KO else _english(first, len(people))
    return Text(template.title.format_map(facts), template.body.format_map(facts))


def _variant(notification: Notification) -> str:
    params = notification.params
    match notification.type:
        case Type.SECURITY:
            return f".{params.get('kind', '')}"
        case Type.DAY_RESULT if params.get("rank", "0") == "0" or params.get("ranked", "0") in {"0", "1"}:
            return ".alone"
        case Type.GROUP_JOINED if params.get("user_id") == str(notification.user_id):
            return ".me"
    return ""


def _korean(first: Notification, people: int) -> dict[str, object]:
    name = first.params.get("nickname", "")
    who = f"{name} 외 {people - 1}명" if people > 1 else f"{name}님"
    return {"who": Word(who), "device": Word(first.params.get("device_name") or "새 기기"), **_numbers(first)}


def _english(first: Notification, people: int) -> dict[str, object]:
    name, others = first.params.get("nickname", ""), people - 1
    many, numbers = others > 0, _numbers(first)
    steps = numbers.get("steps", "0")
    return {
        "who": f"{name} and {others} {'other' if others == 1 else 'others'}" if many else name,
        "wants": "want" if many else "wants",
        "cheers": "cheer" if many else "cheers",
        "place": _ordinal(int(first.params.get("rank", "0"))),
        "walked": "1 step" if steps == "1" else f"{steps} steps",
        "device": first.params.get("device_name") or "a new device",
        **numbers,
    }


def _numbers(first: Notification) -> dict[str, object]:
    """Steps with a comma after the thousands, as both languages write them."""
    return {name: f"{int(first.params[name]):,}" for name in ("steps", "daily_steps") if name in first.params}


def _ordinal(number: int) -> str:
    teens = range(11, 14)
    ending = "th" if number % 100 in teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
