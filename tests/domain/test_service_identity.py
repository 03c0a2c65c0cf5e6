"""Whether a number of a price list has become another service: pairs as they stand on real price lists."""

import pytest

from opensmm.domain.service_identity import is_another_product

REWORDED = [
    ("Instagram Likes", "Instagram Likes [R30]"),
    ("Instagram Followers [Max: 100K] [Refill: 30 Days]", "Instagram Followers 🔥 [Max: 1M] [Refill: 365 Days] ♻️"),
    ("Instagram Likes | HQ | 5K/Day", "IG Likes - Real - Instant Start - No Refill"),
    ("TikTok Views 10M/D", "Tiktok Video Views [ Speed 50M/Day ] [ Instant ]"),
    ("Youtube Views - Lifetime Guaranteed", "YT Views ⛔ No Guarantee"),
    ("Telegram Members [0-3% Drop]", "Telegram Channel Members - 90 Days Refill"),
    ("Facebook Page Likes", "Facebook Page Likes + Followers"),
    ("Instagram Views", "Instagram Reel Views"),
    ("Instagram Takipçi Türk", "Instagram Turkish Followers"),
    ("Instagram Followers", "متابعين انستقرام"),
    ("Server 1 ⭐ Ultra Fast", "Server 1 ⭐ Slow"),
    ("Spotify Plays USA", "Spotify Plays"),
    ("Custom package gold", "Gold package, custom"),
    ("Twitter Likes", "X (Twitter) Likes"),
    ("Website Traffic from Google", "Website Traffic Google [Worldwide]"),
]
OTHERS = [
    ("Instagram Likes", "YouTube Views"),
    ("Instagram Likes", "Instagram Followers"),
    ("Instagram Likes [R30] HQ", "Instagram Comments [R30] HQ"),
    ("TikTok Followers", "Telegram Members"),
    ("Instagram Story Views", "Instagram Reel Views"),
    ("Instagram Followers Turkey", "Instagram Followers Brazil"),
    ("Youtube Likes", "Youtube Dislikes"),
    ("Facebook Page Likes", "Facebook Group Members"),
    ("Instagram Likes", "Instagram password recovery"),
    ("Instagram Beğeni", "Instagram İzlenme"),
    ("Telegram Post Views", "Telegram Reactions 👍"),
    ("Custom package gold", "Silver bundle"),
]


@pytest.mark.parametrize(("before", "after"), REWORDED)
def test_rewording_is_no_other_service(before, after):
    assert not is_another_product(before, "Best sellers", after, "🔥 Top")
    assert not is_another_product(after, "", before, "")


@pytest.mark.parametrize(("before", "after"), OTHERS)
def test_what_sells_something_else_is_another_service(before, after):
    assert is_another_product(before, "Social", after, "Social")
    assert is_another_product(after, "", before, "")


@pytest.mark.parametrize(
    ("before", "after", "another"),
    [
        ("Instagram Likes", "Instagram Followers", True),
        ("Instagram", "YouTube", True),
        ("Instagram Likes", "🔥 Instagram Likes | Cheapest", False),
        ("Instagram Likes", "Best sellers", False),
    ],
)
def test_what_the_name_does_not_tell_its_category_does(before, after, another):
    assert another is is_another_product("Server 1 [R30]", before, "Server 1 [R30]", after)


def test_a_name_that_says_what_it_sells_may_stand_in_any_category():
    assert not is_another_product("Instagram Likes", "Instagram Likes", "Instagram Likes", "New arrivals of TikTok")
