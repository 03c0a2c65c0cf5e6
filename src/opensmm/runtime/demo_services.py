"""The price list of ``opensmm demo``: every type of service, under honest names. The sandbox fulfils them all."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from opensmm.base.ids import ServiceId
from opensmm.domain.catalogue import DeliveryMethod, Service, ServiceType

_T = ServiceType
MONTH_DAYS: Final = 30
_NOTE: Final = "Delivered by the built-in sandbox: it counts, and nothing leaves this machine."

# Flags: r refill for ever, m refill for a month, c cancel, d drip-feed, l one active order per link.
_Line = tuple[str, ServiceType, str, int, int, str, int]
_LIST: Final[tuple[tuple[str, tuple[_Line, ...]], ...]] = (
    (
        "Instagram 📸",
        (
            ("Instagram Followers [Refill 30 Days]", _T.DEFAULT, "0.90", 50, 10_000, "mcd", 45),
            ("Instagram Followers | No Refill", _T.DEFAULT, "0.45", 100, 100_000, "c", 30),
            ("Instagram Likes ❤️ | Instant Start", _T.DEFAULT, "0.12", 50, 50_000, "cd", 5),
            ("Instagram Custom Comments", _T.CUSTOM_COMMENTS, "8", 10, 1_500, "c", 60),
            ("Instagram Custom Comments [Package of 5]", _T.CUSTOM_COMMENTS_PACKAGE, "0.35", 1, 1, "", 60),
            ("Instagram Comment Likes", _T.COMMENT_LIKES, "1.10", 20, 5_000, "c", 20),
            ("Instagram Mentions", _T.MENTIONS, "2.40", 100, 20_000, "", 240),
            ("Instagram Mentions with Hashtags", _T.MENTIONS_WITH_HASHTAGS, "2.60", 100, 20_000, "", 240),
            ("Instagram Mentions [Custom List]", _T.MENTIONS_CUSTOM_LIST, "3", 10, 5_000, "c", 240),
            ("Instagram Mentions [Hashtag]", _T.MENTIONS_HASHTAG, "2.50", 100, 20_000, "", 240),
            ("Instagram Mentions [Followers of a Profile]", _T.MENTIONS_USER_FOLLOWERS, "2.55", 100, 20_000, "", 240),
            ("Instagram Mentions [Likers of a Post]", _T.MENTIONS_MEDIA_LIKERS, "2.45", 100, 20_000, "", 240),
            ("Instagram Likes on New Posts [Subscription]", _T.SUBSCRIPTIONS, "0.15", 50, 5_000, "c", 10),
        ),
    ),
    (
        "TikTok 🎵",
        (
            ("TikTok Views", _T.DEFAULT, "0.01", 100, 10_000_000, "cd", 2),
            ("TikTok Followers [Refill 30 Days] ♻️", _T.DEFAULT, "1.95", 50, 20_000, "mc", 90),
            ("TikTok Likes", _T.DEFAULT, "0.35", 50, 50_000, "cd", 15),
            ("TikTok Saves", _T.DEFAULT, "0.08", 100, 100_000, "", 15),
            ("TikTok Comment Replies", _T.COMMENT_REPLIES, "9.50", 5, 500, "", 120),
        ),
    ),
    (
        "YouTube ▶️",
        (
            ("YouTube Views [Lifetime Refill]", _T.DEFAULT, "1.80", 100, 1_000_000, "rd", 720),
            ("YouTube Subscribers [Refill 30 Days]", _T.DEFAULT, "12.50", 50, 5_000, "mc", 1_440),
            ("YouTube Likes", _T.DEFAULT, "1.20", 20, 20_000, "r", 60),
            ("YouTube Custom Comments", _T.CUSTOM_COMMENTS, "14", 5, 500, "", 180),
            ("YouTube Comment Likes", _T.COMMENT_LIKES, "1.75", 20, 2_000, "c", 60),
            ("YouTube Watch Hours [Package: 100 hours]", _T.PACKAGE, "4.75", 1, 1, "c", 4_320),
        ),
    ),
    (
        "X (Twitter)",
        (
            ("X Followers", _T.DEFAULT, "3.20", 100, 20_000, "rc", 240),
            ("X Likes", _T.DEFAULT, "1.40", 20, 10_000, "c", 30),
            ("X Reposts", _T.DEFAULT, "2.10", 20, 5_000, "cd", 60),
            ("X Quiz Answers", _T.POLL, "0.95", 100, 50_000, "", 30),
        ),
    ),
    (
        "Telegram ✈️",
        (
            ("Telegram Channel Members", _T.DEFAULT, "0.70", 100, 50_000, "c", 60),
            ("Telegram Post Views 👁️", _T.DEFAULT, "0.02", 100, 500_000, "d", 5),
            ("Telegram Reactions 👍🔥", _T.DEFAULT, "0.06", 50, 50_000, "", 5),
            ("Telegram Invites from Groups", _T.INVITES_FROM_GROUPS, "4.20", 100, 5_000, "c", 1_440),
            ("Telegram Quiz Answers", _T.POLL, "0.60", 50, 20_000, "", 30),
        ),
    ),
    (
        "Facebook",
        (
            ("Facebook Page Likes [Refill 30 Days]", _T.DEFAULT, "1.60", 100, 50_000, "mc", 360),
            ("Facebook Post Likes", _T.DEFAULT, "0.40", 50, 20_000, "c", 30),
            ("Facebook Page Starter [Package: 500 likes]", _T.PACKAGE, "1.25", 1, 1, "", 720),
            ("Facebook Event Interest | One Order per Link", _T.DEFAULT, "1.15", 50, 10_000, "cl", 240),
        ),
    ),
    (
        "Websites & SEO 🌐",
        (
            ("Website Traffic by Country [Keyword or Referrer]", _T.WEB_TRAFFIC, "0.25", 500, 1_000_000, "cd", 600),
            ("Website Traffic from One Campaign", _T.WEB_TRAFFIC, "0.55", 100, 100_000, "", 600),
            ("SEO Visits for Keywords", _T.SEO, "1.05", 100, 50_000, "c", 1_440),
            ("Directory Listings [Package of 10]", _T.PACKAGE, "3.50", 1, 1, "c", 2_880),
        ),
    ),
    (
        "خدمات عربية 🌙",
        (
            ("متابعين انستقرام عرب [ضمان ٣٠ يوم]", _T.DEFAULT, "4.10", 50, 5_000, "mc", 240),
            ("لايكات انستقرام ❤️ خليجي", _T.DEFAULT, "1.30", 50, 5_000, "cd", 30),
            ("تعليقات عربية مخصصة", _T.CUSTOM_COMMENTS, "11", 5, 500, "", 120),
            ("مشاهدات سناب شات", _T.DEFAULT, "0.85", 100, 50_000, "c", 60),
            ("إعجابات تلقائية للمنشورات الجديدة [اشتراك]", _T.SUBSCRIPTIONS, "1.45", 20, 2_000, "c", 15),
        ),
    ),
)


def list_services() -> Iterator[Service]:
    """Yields the services, numbered from 1 in the order of the list."""
    number = 0
    for category, lines in _LIST:
        for name, kind, rate, least, most, flags, average_min in lines:
            number += 1
            yield Service(
                id=ServiceId(number),
                name=name,
                type=kind,
                category=category,
                rate=Decimal(rate),
                min=least,
                max=most,
                refill="r" in flags or "m" in flags,
                refill_days=MONTH_DAYS if "m" in flags else None,
                cancel="c" in flags,
                dripfeed="d" in flags,
                description=_NOTE,
                average_time_min=average_min,
                one_active_per_link="l" in flags,
                position=number,
                delivery_method=DeliveryMethod.SOFTWARE_SERVICE,
            )
