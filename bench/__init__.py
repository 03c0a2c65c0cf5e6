"""How fast the panel is: everything behind ``opensmm bench``. `bench/README.md` says how it is used."""
