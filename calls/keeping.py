"""For how long businesses want their calls kept. Apart from :mod:`calls.retention`, since whatever writes calls asks it."""

from datetime import timedelta

from calls.ids import BusinessId
from calls.outbox import Businesses
from calls.store.retention import Keeps


def kept_for(businesses: Businesses) -> Keeps:
    """What the business files say of how long calls are kept."""

    def keeps(business_id: BusinessId) -> timedelta | None:
        profile = businesses.get(business_id)
        days = profile.privacy.retention_days if profile is not None else None
        return None if days is None else timedelta(days=days)

    return keeps
