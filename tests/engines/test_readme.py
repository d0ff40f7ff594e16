"""The comparison in README.md, with --compare alone."""
import candidates
from compare import README
from containerd import Containerd
from needs import require


def test_readme_has_this_table(comparison, scratch):
    needs = {program for peer in candidates.peers(scratch) for program in peer.needs}
    require([*needs, *Containerd.NEEDS], Containerd.MODULES)
    has_it = f"\n{comparison.table()}\n" in README.read_text()
    assert has_it, "the table in README.md is not the one below"
