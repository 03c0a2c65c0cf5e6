"""Which spellings of a link lead to one page."""

import pytest

from opensmm.domain.link_identity import identity

POST = "https://www.instagram.com/p/ABC123/"
VIDEO = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
PAGE = "https://shop.example/Item/A"


@pytest.mark.parametrize(
    ("link", "other"),
    [
        *(
            (POST, other)
            for other in (
                "https://www.instagram.com/p/ABC123",
                "https://instagram.com/p/ABC123/",
                "HTTPS://WWW.INSTAGRAM.COM/p/ABC123/",
                "http://www.instagram.com/p/ABC123/",
                "www.instagram.com/p/ABC123",
                "https://www.instagram.com/p/ABC123/?igsh=xyz",
                "https://www.instagram.com/p/ABC123/?utm_source=ig_web&img_index=1",
                "https://www.instagram.com/p/ABC123/#a",
                "https://www.instagram.com:443/p/ABC123/",
                "http://www.instagram.com:80//p//ABC123//",
                "https://www.instagram.com/%70/ABC123/",
                "https://www.instagram.com/x/../p/ABC123/",
                "https://www.instagram.com/reel/ABC123/",
                "https://www.instagram.com/Bob/p/ABC123/",
            )
        ),
        *(
            (VIDEO, other)
            for other in (
                "https://youtu.be/dQw4w9WgXcQ",
                "https://youtu.be/dQw4w9WgXcQ?si=abc&t=3",
                "https://m.youtube.com/watch?v=dQw4w9WgXcQ&feature=share",
                "https://www.youtube.com/shorts/dQw4w9WgXcQ",
                "youtube.com/watch/?app=desktop&v=dQw4w9WgXcQ",
            )
        ),
        ("https://instagram.com/Bob", "https://www.instagram.com/bob/"),
        ("https://x.com/Bob/status/12", "https://twitter.com/bob/status/12?s=20"),
        ("https://t.me/Channel/7", "t.me/channel/7"),
        ("@Bob", "@bob"),
        (PAGE, "https://SHOP.example/Item/A/?utm_campaign=x"),
        (PAGE + "?b=2&a=1", PAGE + "?a=1&b=2&fbclid=1"),
        ("https://shop.example/#/a", "https://shop.example/#/a"),
    ],
)
def test_spellings_of_one_page_are_one(link, other):
    assert identity(link) == identity(other)


@pytest.mark.parametrize(
    ("link", "other"),
    [
        (POST, "https://www.instagram.com/p/abc123/"),
        (VIDEO, "https://www.youtube.com/watch?v=dqw4w9wgxcq"),
        (PAGE, "https://shop.example/item/A"),
        (PAGE, "https://shop.example:8080/Item/A"),
        (PAGE + "?id=1", PAGE + "?id=2"),
        ("https://x.com/bob/status/12", "https://x.com/bob/status/13"),
        ("https://t.me/channel/7", "https://t.me/channel/8"),
        ("https://shop.example/a%2Fb", "https://shop.example/a/b"),
        ("https://facebook.com/photo.php?fbid=1", "https://facebook.com/photo.php?fbid=2"),
    ],
)
def test_pages_that_differ_stay_two(link, other):
    assert identity(link) != identity(other)
