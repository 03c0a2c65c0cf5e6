"""Detects that a line of a provider's price list sells another product under its old number."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct


def _read_aliases(lines: str) -> Mapping[str, str]:
    """Maps each spelling to the first of its line; each line lists the spellings of one thing."""
    return {_strip_marks(word): line.split()[0] for line in lines.strip().splitlines() for word in line.split()}


def _strip_marks(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in spread if unicodedata.category(char) not in ("Mn", "Cf"))


_PLATFORMS: Final = _read_aliases("""
instagram ig insta инстаграм انستقرام انستغرام انستا
youtube yt ytb ютуб يوتيوب
tiktok tt тикток تيكتوك
facebook fb фейсбук فيسبوك
telegram tg телеграм تيليجرام تليجرام تلغرام
twitter x твиттер تويتر
threads
spotify
soundcloud
twitch твич
discord
linkedin
pinterest
reddit
snapchat سناب سناب_شات
whatsapp واتساب
vk вк вконтакте
kick
kwai
likee
quora
rumble
tumblr
vimeo
dailymotion
clubhouse
shazam
deezer
google
apple
steam
onlyfans
bigo
website traffic
bluesky
""")
_KINDS: Final = _read_aliases("""
likes like favorites favourites begeni лайк лайки лайков لايك لايكات اعجاب اعجابات curtidas curtida thich
followers follower fans takipci подписчик подписчики подписчиков متابع متابعين متابعون seguidores seguidor
subscribers subscriber subs abone مشترك مشتركين inscritos suscriptores
views view watch izlenme goruntulenme просмотр просмотры просмотров مشاهدة مشاهدات visualizacoes visualizaciones vistas
comments comment yorum комментарии комментариев تعليق تعليقات comentarios
members member uye участники участников اعضاء عضو membros miembros
shares share paylasim репосты репостов مشاركة مشاركات
reposts repost retweets retweet
saves save kaydetme сохранения حفظ
plays play streams listens listeners listener прослушивания استماع
reactions reaction реакции تفاعل تفاعلات
votes vote poll голоса تصويت
impressions impression reach
mentions mention
visits visit clicks visitors visitor
downloads installs
reviews review rating ratings
hours watchtime
dislikes dislike
boosts boost
connections endorsements
friends friend
pins
accounts account
""")
_PARTS: Final = _read_aliases("""
story stories hikaye сторис ستوري
reel reels ريلز
live livestream stream canli
short shorts
igtv
channel kanal канал قناة
group gruplar группа مجموعة
page pages
playlist
podcast
album
""")
_COUNTRIES: Final = _read_aliases("""
usa us american america
uk british
turkey turkish turk turkiye turkce
brazil brazilian brasil
india indian hindi
russia russian rus россия русские
arab arabic عرب عربي gulf
iran iranian persian
indonesia indonesian
vietnam vietnamese
germany german
france french
italy italian
spain spanish
mexico mexican
portugal portuguese
nigeria nigerian
egypt egyptian
pakistan pakistani
bangladesh bangladeshi
china chinese
korea korean
japan japanese
thailand thai
ukraine ukrainian
israel israeli
saudi ksa
uae emirati
philippines filipino
canada canadian
australia australian
""")
_NOISE_WORDS: Final = """
a all and any auto automatic balance base best bot bots button by cancel cheap cheapest complete completed day days
delivery drop dropping drops enabled exclusive fast fastest for from full geo global good guarantee guaranteed hidden
high hour hours hq hr hrs in instant instantly is less life lifetime limited link low lq max maximum medium min
minimum mins minute minutes mix mixed month months mq new no non none not now of old on only organic owner per post
posts premium private profile promo provider public quality quick random real recommended refill refills reliable sec
second seconds server service slow smm special speed stable start started starts super test the time times to top
ultra update updated user users video videos vip warranty week weeks with without work working works world worldwide
year years
"""
_NOISE: Final = frozenset(_NOISE_WORDS.split())
_WORD: Final = re.compile(r"[^\W_]+")
ALIKE: Final = (1, 3)
"""Least share of common words of two names without a known kind, if one rewords the other."""


class _Meaning(Struct, frozen=True):
    platforms: frozenset[str]
    kinds: frozenset[str]
    parts: frozenset[str]
    countries: frozenset[str]
    others: frozenset[str]


def is_another_product(name: str, category: str, new_name: str, new_category: str) -> bool:
    """True if a name and a category sell another product than those before.

    Numbers, emoji, guarantees, speeds, qualities and the language are not part of the product. If a name does not state
    platform or kind, its category does.
    """
    if (name, category) == (new_name, new_category):
        return False
    before, after = _classify(name), _classify(new_name)
    category_before, category_after = _classify(category), _classify(new_category)
    pairs = (
        (before.platforms or category_before.platforms, after.platforms or category_after.platforms),
        (before.kinds or category_before.kinds, after.kinds or category_after.kinds),
        (before.parts, after.parts),
        (before.countries, after.countries),
    )
    if any(old and new and not old & new for old, new in pairs):
        return True
    kinds, kinds_after = pairs[1]
    # Both kinds are known and agree: other words reword the same product.
    if kinds and kinds_after:
        return False
    old, new = before.kinds | before.others, after.kinds | after.others
    fewer, common = min(len(old), len(new)), len(old & new)
    return fewer > 0 and common * ALIKE[1] < fewer * ALIKE[0]


def _classify(text: str) -> _Meaning:
    words = {word for word in _WORD.findall(_strip_marks(text)) if not any(char.isdigit() for char in word)}
    tables = (_PLATFORMS, _KINDS, _PARTS, _COUNTRIES)
    recognised = frozenset(word for word in words if any(word in table for table in tables))
    others = frozenset(word for word in words - recognised - _NOISE if len(word) > 1)
    platforms, kinds, parts, countries = (_look_up(words, table) for table in tables)
    return _Meaning(platforms, kinds, parts, countries, others)


def _look_up(words: Iterable[str], table: Mapping[str, str]) -> frozenset[str]:
    return frozenset(table[word] for word in words if word in table)
