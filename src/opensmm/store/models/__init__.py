"""The schema as Django models, one module a noun. Only migrations import them; the API runs SQL and loads no Django.

Wide columns come first, since PostgreSQL pads a narrow column before a wide one. Orders, deliveries, attempts,
transfers and keys have no foreign keys: these cost 12 to 26 % of placing when measured, and ``verify`` checks the same.

Names of classes end in Table, so that none has the name of the struct that it stores. ``User`` is Django's user model.
"""

from opensmm.store.models.catalogue import (
    BalanceReadingTable,
    CategoryTable,
    OfferTable,
    PanelTable,
    PriceListTable,
    PriceTable,
    ProviderTable,
    RouteTable,
    ServiceTable,
)
from opensmm.store.models.clocks import ClockStepTable, ClockTable
from opensmm.store.models.customers import ApiKeyTable, CreditChangeTable, CustomerTable, MembershipTable, User
from opensmm.store.models.dispatch import AttemptTable, DeliveryTable
from opensmm.store.models.evidence import EvidenceTable
from opensmm.store.models.ledger import AuditTable, DepositTable, TransferReferenceTable, TransferTable
from opensmm.store.models.orders import ActiveLinkTable, BatchTable, IdempotencyTable, OrderDetailTable, OrderTable
from opensmm.store.models.policy import PolicyRuleTable
from opensmm.store.models.posts import PostTable
from opensmm.store.models.refills import RefillTable, RefillTaskTable
from opensmm.store.models.rollups import CustomerDayTable, RollupCursorTable, ServiceDayTable
from opensmm.store.models.sandbox import SandboxOrderTable, SandboxRefillTable
from opensmm.store.models.workers import WorkerTable

__all__ = [
    "ActiveLinkTable",
    "ApiKeyTable",
    "AttemptTable",
    "AuditTable",
    "BalanceReadingTable",
    "BatchTable",
    "CategoryTable",
    "ClockStepTable",
    "ClockTable",
    "CreditChangeTable",
    "CustomerDayTable",
    "CustomerTable",
    "DeliveryTable",
    "DepositTable",
    "EvidenceTable",
    "IdempotencyTable",
    "MembershipTable",
    "OfferTable",
    "OrderDetailTable",
    "OrderTable",
    "PanelTable",
    "PolicyRuleTable",
    "PostTable",
    "PriceListTable",
    "PriceTable",
    "ProviderTable",
    "RefillTable",
    "RefillTaskTable",
    "RollupCursorTable",
    "RouteTable",
    "SandboxOrderTable",
    "SandboxRefillTable",
    "ServiceDayTable",
    "ServiceTable",
    "TransferReferenceTable",
    "TransferTable",
    "User",
    "WorkerTable",
]
