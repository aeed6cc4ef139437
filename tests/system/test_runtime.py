from dreamsound_jax.system import runtime


def test_compiled_programs_go_where_the_user_says(monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert runtime.cache_folder() == "/somewhere/dreamsound_jax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert runtime.cache_folder() == "/home/me/.cache/dreamsound_jax"
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/fast/disk")
    assert runtime.cache_folder() == "/fast/disk"
