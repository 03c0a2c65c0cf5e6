"""Where links lead, however they are spelt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.domain import links
from opensmm.domain.links import Target, fold, host_of, read_targets


@pytest.mark.parametrize(
    ("link", "host", "path", "account"),
    [
        ("https://example.com/Name/Posts", "example.com", ("name", "posts"), "name"),
        ("example.com", "example.com", (), "example.com"),
        ("example.com/", "example.com", (), "example.com"),
        ("//example.com/x", "example.com", ("x",), "x"),
        ("https:////example.com/x", "example.com", ("x",), "x"),
        ("HTTP://EXAMPLE.COM:8080/x?y=/z#/w", "example.com", ("x",), "x"),
        ("example.com:80/x", "example.com", ("x",), "x"),
        ("https://user:secret@example.com/x", "example.com", ("x",), "x"),
        ("https://good.example@evil.example/x", "evil.example", ("x",), "x"),
        ("good.example:80@evil.example/x", "evil.example", ("x",), "x"),
        ("https://evil.example?@good.example/x", "evil.example", (), ""),
        ("https://example.com./x", "example.com", ("x",), "x"),
        ("https://example.com../x", "example.com", ("x",), "x"),
        ("https://ex%61mple.com/n%61me", "example.com", ("name",), "name"),
        ("https://ｅｘａｍｐｌｅ．com/x", "example.com", ("x",), "x"),
        ("https://example。com/x", "example.com", ("x",), "x"),
        ("https://exam\u00adple.com/x", "example.com", ("x",), "x"),
        ("https://xn--mgbh0fb.example/x", "مثال.example", ("x",), "x"),
        ("https://مثال.example/x", "مثال.example", ("x",), "x"),
        ("https://XN--MNCHEN-3YA.example/x", "münchen.example", ("x",), "x"),
        ("https://xn--999999999.example/x", "xn--999999999.example", ("x",), "x"),
        ("https://example.com//a///b/", "example.com", ("a", "b"), "a"),
        ("https://example.com/a/../b/./c", "example.com", ("b", "c"), "b"),
        ("https://example.com/a/%2E%2e/b", "example.com", ("b",), "b"),
        ("https://example.com/../../b", "example.com", ("b",), "b"),
        ("https://example.com/a//../b", "example.com", ("a", "b"), "a"),
        ("https://example.com/@Name/video/1", "example.com", ("@name", "video", "1"), "name"),
        ("https://example.com/in/Name/", "example.com", ("in", "name"), "name"),
        ("https://example.com/channel/UC1", "example.com", ("channel", "uc1"), "uc1"),
        ("https://example.com/profile.php?id=77&x=1", "example.com", ("profile.php",), "77"),
        ("@Name", "name", (), "name"),
        ("Name", "name", (), "name"),
        ("@john.doe", "john.doe", (), "john.doe"),
        ("tg://resolve?domain=Name&post=1", "t.me", ("name",), "name"),
        ("tg://join?invite=abc", "t.me", ("join",), ""),
        ("https://[2001:db8::1]:80/x", "[2001:db8::1]", ("x",), "x"),
        ("https://", "", (), ""),
        ("https://exam\u034fple.com/x", "example.com", ("x",), "x"),
        ("https://exam\u180bple.com/b\u180bob", "example.com", ("bob",), "bob"),
        ("https://exam\u115fple.com/b\u115fob", "example.com", ("bob",), "bob"),
        ("https://exam%CD%8Fple.com/b%CD%8Fob", "example.com", ("bob",), "bob"),
        ("https://exam\U000e0041ple\ufff0.com\u3164/@b\uffa0ob", "example.com", ("@bob",), "bob"),
        ("https://exam\u2063ple.com/\u200b", "example.com", (), ""),
        ("https://ℰxample。com/x", "example.com", ("x",), "x"),
        ("https://ẞ.example/x", "ß.example", ("x",), "x"),
        ("@b\u034fob", "bob", (), "bob"),
        (f"https://xn--{'a' * 60}.com/x", f"xn--{'a' * 60}.com", ("x",), "x"),
        ("https://bob.t.me/12", "t.me", ("bob", "12"), "bob"),
        ("BOB.t.me", "t.me", ("bob",), "bob"),
        ("https://www.t.me/bob", "www.t.me", ("bob",), "bob"),
        ("https://example.com/_u/bob", "example.com", ("_u", "bob"), "bob"),
        ("https://example.com/n/bob", "example.com", ("n", "bob"), "bob"),
        ("https://example.com/stories/bob/1", "example.com", ("stories", "bob", "1"), "bob"),
        ("https://example.com/intent/user?screen_name=Bob", "example.com", ("intent", "user"), "bob"),
        ("https://example.com/intent/follow?a=1&screen_name=%40bob", "example.com", ("intent", "follow"), "bob"),
        ("https://example.com/bob.", "example.com", ("bob",), "bob"),
        ("https://example.com/bob%2E%2e", "example.com", ("bob",), "bob"),
    ],
)
def test_a_link_leads_to_one_place_however_it_is_spelt(link, host, path, account):
    assert (Target(host, path, account),) == read_targets(link)
    assert host == host_of(link)


@pytest.mark.parametrize("fragment", ["bob", "/bob", "!/bob", "/@bob", "b%6fb", "!bob?x=/y"])
def test_what_stands_behind_a_hash_counts_where_there_is_no_path(fragment):
    plain, read = read_targets(f"https://example.com/#{fragment}")
    assert Target("example.com", (), "") == plain
    assert ("example.com", "bob") == (read.host, read.account)
    assert 1 == len(read_targets(f"https://example.com/x#{fragment}"))


def test_a_host_behind_a_hash_is_none():
    assert {"evil.example"} == {one.host for one in read_targets("https://evil.example#@good.example/x")}


def test_an_escaped_slash_is_read_both_ways():
    assert (("a/b", "c"), ("a", "b", "c")) == tuple(one.path for one in read_targets("https://example.com/a%2Fb/c"))
    both = [one.path for one in read_targets("https://example.com/denied/x%2f..%2f..%2fok")]
    assert [("denied", "x/../../ok"), ("ok",)] == both


ANY_LINK = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
HOSTS = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,5})?(\.[a-z]{2,6}){1,3}", fullmatch=True)
SEGMENTS = st.lists(st.from_regex(r"[a-z0-9_.-]{0,6}[a-z0-9_-]", fullmatch=True), max_size=4)


@given(ANY_LINK)
def test_no_text_is_too_odd_to_be_read(link):
    for target in read_targets(link):
        assert target.host == host_of(link)
        assert all(target.path)


@given(ANY_LINK)
def test_folding_twice_is_folding_once(text):
    assert fold(text) == fold(fold(text))


def _escaped(text, chosen):
    """Some characters as escapes, as many as ``chosen`` says."""
    return "".join(f"%{ord(char):02x}" if mark else char for char, mark in zip(text, chosen, strict=True))


@given(HOSTS, SEGMENTS, st.data())
def test_every_spelling_of_a_place_is_the_same_place(host, segments, data):
    plain = f"https://{host}/{'/'.join(segments)}"
    flags = st.lists(st.booleans(), min_size=len(host), max_size=len(host))
    spelt = _escaped(host, data.draw(flags))
    spelt = data.draw(st.sampled_from([spelt, host.upper(), f"{host}.", host.replace(".", "。"), _wide(host)]))
    login = data.draw(st.sampled_from(["", "user@", "user:pw@", "good.example@", "@"]))
    port = data.draw(st.sampled_from(["", ":80", ":443", ":"]))
    scheme = data.draw(st.sampled_from(["https://", "HTTP://", "http:///", "//", ""]))
    joint = data.draw(st.sampled_from(["/", "//", "/./", "/x/../"]))
    tail = data.draw(st.sampled_from(["", "/", "?a=/b", "#/c", "/?@evil.example/"]))
    odd = f"{scheme}{login}{spelt}{port}/{joint.join(segments)}{tail}"
    expected, place = read_targets(plain)[0], read_targets(odd)[0]
    assert (expected.host, expected.path) == (place.host, place.path)


def _wide(host):
    return "".join(chr(ord(char) + 0xFEE0) if char.isalnum() else char for char in host)


@given(st.from_regex(r"[a-zà-öø-ÿ]{1,12}", fullmatch=True))
def test_a_name_in_letters_and_in_punycode_is_one_host(label):
    if label.isascii():
        return
    spelt = f"xn--{label.encode('punycode').decode()}"
    assert host_of(f"https://{label}.example/") == host_of(f"https://{spelt}.example/")


@given(ANY_LINK.filter(links.acceptable))
def test_what_is_acceptable_has_a_place(link):
    assert read_targets(link)
