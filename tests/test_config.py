import os
import stat

import pytest

from opensmm import config
from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured
from opensmm.texts.speech import ENGLISH


def test_the_pepper_is_made_once_and_readable_by_us_alone(tmp_path):
    panel = config.read(tmp_path / "data", {})
    assert panel.pepper() == config.read(tmp_path / "data", {}).pepper()
    assert 64 == len(panel.pepper())
    assert 0o600 == stat.S_IMODE((tmp_path / "data" / "pepper").stat().st_mode)
    assert ["pepper"] == [path.name for path in (tmp_path / "data").iterdir()]


def test_nobody_else_may_write_where_the_data_lies_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        config.make_folder(tmp_path / "a" / "b" / "data")
    finally:
        os.umask(before)
    for folder in ("a", "a/b", "a/b/data"):
        assert not (tmp_path / folder).stat().st_mode & 0o022, folder


def test_every_panel_has_a_pepper_of_its_own(tmp_path):
    assert config.read(tmp_path / "a", {}).pepper() != config.read(tmp_path / "b", {}).pepper()


def test_a_given_pepper_is_taken_and_nothing_written(tmp_path):
    assert b"p" * 32 == config.read(tmp_path / "data", {"OPENSMM_PEPPER": "p" * 32}).pepper()
    assert not (tmp_path / "data").exists()


def test_a_file_that_holds_no_pepper_is_refused(tmp_path):
    (tmp_path / "pepper").write_text("\n")
    with pytest.raises(Misconfigured, match=SetupCode.PEPPER_LENGTH):
        config.read(tmp_path, {}).pepper()


def test_a_file_of_raw_bytes_is_refused_in_words_and_is_no_pepper_to_compare_by(tmp_path):
    (tmp_path / "pepper").write_bytes(bytes(range(128, 168)))
    panel = config.read(tmp_path, {})
    with pytest.raises(Misconfigured, match=SetupCode.PEPPER_NOT_TEXT):
        panel.pepper()
    assert panel.readable_pepper()


def test_one_process_of_many_makes_no_pepper_of_its_own(tmp_path):
    panel = config.read(tmp_path, {"DATABASE_URL": "postgresql://app@db/panel"})
    with pytest.raises(Misconfigured, match=SetupCode.PEPPER_NOT_COPIED):
        panel.shared_pepper()
    assert panel.pepper() == panel.shared_pepper()


def test_a_secret_that_is_there_stays(tmp_path):
    for text in ("first", "second"):
        config.keep_secret(tmp_path / "secret", text)
    assert "first\n" == (tmp_path / "secret").read_text()
    assert ["secret"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"OPENSMM_PEPPER": "short"}, "32 to 64 bytes"),
        ({"OPENSMM_PEPPER": "é" * 33}, "32 to 64 bytes"),
        ({"DATABASE_ADMIN_URL": "postgresql://owner@db/panel"}, "but DATABASE_URL, for the app's role, is not"),
        ({"DATABASE_URL": "hidden"}, "DATABASE_URL is not the address of a database"),
        (
            {"DATABASE_URL": "postgresql://app@db/panel", "DATABASE_ADMIN_URL": "postgresql://owner:hidden@[::1/panel"},
            "DATABASE_ADMIN_URL is not the address of a database",
        ),
        ({"OPENSMM_LOG_LEVEL": "loud"}, "one of debug, info, warning, error"),
        ({"OPENSMM_PRIVATE_PROVIDERS": "yes"}, "set 1"),
    ],
)
def test_a_contradiction_is_refused_in_words(tmp_path, environ, says):
    with pytest.raises(Misconfigured) as refused:
        config.read(tmp_path, environ)
    assert says in ENGLISH.fault(refused.value)
    assert "hidden" not in ENGLISH.fault(refused.value) + str(refused.value)


def test_the_log_tells_what_is_worth_telling_unless_more_or_less_is_asked_for(tmp_path):
    assert "info" == config.read(tmp_path, {}).log_level
    assert "debug" == config.read(tmp_path, {"OPENSMM_LOG_LEVEL": "DEBUG"}).log_level


def test_no_secret_shows_where_the_configuration_is_printed(tmp_path):
    secrets = {"DATABASE_URL": "postgresql://app:hidden@db/panel", "OPENSMM_PEPPER": "hidden" * 6}
    assert "hidden" not in repr(config.read(tmp_path, secrets))
