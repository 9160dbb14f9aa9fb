"""The worker around `services.campaigns.sending`: checks and submits campaigns, part by part."""

from dataclasses import dataclass

from consent_tokens.services.campaigns.sending import advance_due
from consent_tokens.services.runtime import Runtime
from consent_tokens.services.submission.submit import Submitter
from consent_tokens.workers.polling_worker import PollingWorker


@dataclass
class CampaignWorker(PollingWorker):
    """Look for campaigns that are due in a thread, until it is stopped."""

    thread_name = "campaigns"
    failed_event, faulty_event = "campaign_failed", "campaign_faulty"
    poll_seconds = 1.0
    runtime: Runtime
    submitter: Submitter

    def _do_due(self) -> bool:
        return advance_due(self.runtime, self.submitter, self._stop.is_set)
