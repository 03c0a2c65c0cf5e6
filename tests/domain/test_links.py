"""What counts as a link."""

import pytest

from opensmm.domain.links import MAX_LINK, acceptable


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com/me",
        "http://example.com",
        "HTTPS://EXAMPLE.COM/ME",
        "example.com/me?tab=posts#top",
        "example.com:8080/x",
        "@name",
        "name",
        "tg://resolve?domain=name",
        "https://example.com/a:b",
        "example.com/?next=https://other.example.com/",
        "https://مثال.example/صفحة",
        "https://en.wikipedia.org/wiki/Rubik's_Cube",
        "https://example.com/" + "x" * (MAX_LINK - 20),
        "https://user@example.com/",
        "https://[2001:db8::1]/x",
        "example.com:8080",
        "example.com:80?x",
        "example.com:65535#x",
        "user.name",
        "localhost:8080/x",
        "مثال.example:80/صفحة",
        "اسم",
        "-name",
        "123",
    ],
)
def test_addresses_and_names_are_links(link):
    assert acceptable(link)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "mailto:me@example.com",
        "ftp://example.com/",
        "https:",
        "https://",
        "https:///",
        "https:example.com",
        "two words",
        "https://example.com/\nx",
        "https://example.com/\x00",
        "<script>",
        "javascript:1/alert(1)",
        "data:1,x",
        "data.x:1,x",
        "file:1",
        "9:9",
        "example.com:٣",
        "example.com:",
        "example.com:123456",
        "example.com:80x",
        ":80",
        ".",
        "/",
        "?",
        "#",
        "-",
        "@",
        "https://-/",
        'https://example.com/"x',
        "https://example.com/`x",
        "https://example.com/{x}",
        "https://example.com/" + "x" * MAX_LINK,
    ],
)
def test_other_schemes_blanks_and_markup_are_no_links(link):
    assert not acceptable(link)


@pytest.mark.parametrize("link", ["https//x", "http//example.com/a", "HTTPS//example.com", "https;//example.com"])
def test_a_scheme_that_lost_its_colon_is_no_host(link):
    assert not acceptable(link)
