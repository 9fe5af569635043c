"""Hybridge set up for the corpus: one worker, so that a later answer proves that earlier work is done."""

from harness.certificates import Authority
from harness.corpus_run import CorpusOrigin
from harness.hybridge import Hybridge

CONFIG = {
    "workers": 1,
    "redirect_to_https": False,
    "limits": {"body_bytes": "64k"},
    "timeouts": {"request_head": "1s", "body_idle": "1s", "keep_alive": "20s"},
}


class CorpusEdge(Hybridge):
    def __init__(self, authority: Authority, origin: CorpusOrigin):
        super().__init__(authority, CONFIG)
        self.endpoint = self.http
        self.start()
        self.add_site("case.test", origin)
