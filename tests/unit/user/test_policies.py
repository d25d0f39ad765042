"""Who may call what: the doors' tables against the list that was agreed on."""

import pytest

from firewalker.runtime.grpc.policy import Caller
from firewalker.runtime.grpc.rates import PICTURES, SEARCHES
from firewalker.user.rpc.auth import AuthDoor
from firewalker.user.rpc.friends import FriendDoor
from firewalker.user.rpc.groups import GroupDoor
from firewalker.user.rpc.users import UserDoor

PUBLIC = {
    "AuthService/SignUp",
    "AuthService/RequestPasswordReset",
    "AuthService/ResetPassword",
    "AuthService/VerifyEmail",
    "AuthService/GetKeySet",
    "AuthService/LoginWithProvider",
    "AuthService/Login",
    "AuthService/Refresh",
    "AuthService/Logout",
}
USER = {
    "AuthService/LogoutEverywhere",
    "AuthService/ListSessions",
    "AuthService/RevokeSession",
    "AuthService/ChangePassword",
    "AuthService/ResendVerification",
    "AuthService/ChangeEmail",
    "AuthService/LinkProvider",
    "AuthService/UnlinkProvider",
    "AuthService/ListProviders",
    "UserService/GetMe",
    "UserService/CreateAvatarUpload",
    "UserService/CommitAvatar",
    "UserService/DeleteAvatar",
    "UserService/DeleteMe",
    "UserService/ExportMyData",
    "UserService/UpdateMe",
    "UserService/GetUser",
    "UserService/SearchUsers",
    "UserService/ReportUser",
    "FriendService/SendFriendRequest",
    "FriendService/ListFriendRequests",
    "FriendService/AcceptFriendRequest",
    "FriendService/DeclineFriendRequest",
    "FriendService/CancelFriendRequest",
    "FriendService/ListFriends",
    "FriendService/RemoveFriend",
    "FriendService/SetFriendVisibility",
    "FriendService/SendCheer",
    "FriendService/BlockUser",
    "FriendService/UnblockUser",
    "FriendService/ListBlocks",
    "FriendService/CreateInvite",
    "FriendService/RevokeInvite",
    "FriendService/GetInviteQr",
    "GroupService/CreateGroup",
    "GroupService/GetGroup",
    "GroupService/UpdateGroup",
    "GroupService/DeleteGroup",
    "GroupService/ListMyGroups",
    "GroupService/JoinGroup",
    "GroupService/LeaveGroup",
    "GroupService/ListMembers",
    "GroupService/RemoveMember",
    "GroupService/BanMember",
    "GroupService/UnbanMember",
    "GroupService/SetMemberRole",
    "GroupService/ListJoinRequests",
    "GroupService/AnswerJoinRequest",
    "GroupService/CreateGroupInvite",
}


@pytest.mark.requirement("AUTH-08")
def test_public_is_what_was_agreed_and_nothing_else() -> None:
    doors = {
        "AuthService": AuthDoor.POLICY,
        "UserService": UserDoor.POLICY,
        "FriendService": FriendDoor.POLICY,
        "GroupService": GroupDoor.POLICY,
    }
    rules = {f"{service}/{rpc}": rule for service, policy in doors.items() for rpc, rule in policy.items()}
    assert {name for name, rule in rules.items() if rule.caller is Caller.PUBLIC} == PUBLIC
    assert {name for name, rule in rules.items() if rule.caller is Caller.USER} == USER
    assert rules.keys() == PUBLIC | USER


def test_only_what_hashes_a_password_has_twice_the_time() -> None:
    assert {rpc for rpc, rule in AuthDoor.POLICY.items() if rule.deadline_s == 10.0} == {
        "SignUp",
        "Login",
        "ChangePassword",
        "ResetPassword",
        "ChangeEmail",
        "LoginWithProvider",
        "LinkProvider",
    }


@pytest.mark.requirement("PRIV-09")
def test_searches_have_a_rate_of_their_own_that_a_typing_person_does_not_reach() -> None:
    rate = UserDoor.POLICY["SearchUsers"].rate
    assert rate is SEARCHES
    assert rate.per_s <= 1
    assert [rpc for rpc, rule in UserDoor.POLICY.items() if rule.rate is SEARCHES] == ["SearchUsers"]


def test_pictures_which_take_room_and_decoding_have_a_rate_of_their_own() -> None:
    assert PICTURES.per_s <= 1 / 30
    assert {rpc for rpc, rule in UserDoor.POLICY.items() if rule.rate is PICTURES} == {
        "CreateAvatarUpload",
        "CommitAvatar",
    }
