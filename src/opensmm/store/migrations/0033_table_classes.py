"""Classes of tables end in Table, so that none shares its name with what it stores. The database does not change."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("store", "0032_rollups")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("ActiveLink", "ActiveLinkTable"),
                migrations.RenameModel("ApiKey", "ApiKeyTable"),
                migrations.RenameModel("Attempt", "AttemptTable"),
                migrations.RenameModel("Audit", "AuditTable"),
                migrations.RenameModel("BalanceReading", "BalanceReadingTable"),
                migrations.RenameModel("Batch", "BatchTable"),
                migrations.RenameModel("Category", "CategoryTable"),
                migrations.RenameModel("Clock", "ClockTable"),
                migrations.RenameModel("ClockStep", "ClockStepTable"),
                migrations.RenameModel("CreditChange", "CreditChangeTable"),
                migrations.RenameModel("Customer", "CustomerTable"),
                migrations.RenameModel("CustomerDay", "CustomerDayTable"),
                migrations.RenameModel("Delivery", "DeliveryTable"),
                migrations.RenameModel("Deposit", "DepositTable"),
                migrations.RenameModel("Evidence", "EvidenceTable"),
                migrations.RenameModel("Idempotency", "IdempotencyTable"),
                migrations.RenameModel("Membership", "MembershipTable"),
                migrations.RenameModel("Offer", "OfferTable"),
                migrations.RenameModel("Order", "OrderTable"),
                migrations.RenameModel("OrderDetail", "OrderDetailTable"),
                migrations.RenameModel("Panel", "PanelTable"),
                migrations.RenameModel("PolicyRule", "PolicyRuleTable"),
                migrations.RenameModel("Post", "PostTable"),
                migrations.RenameModel("Price", "PriceTable"),
                migrations.RenameModel("PriceList", "PriceListTable"),
                migrations.RenameModel("Provider", "ProviderTable"),
                migrations.RenameModel("Refill", "RefillTable"),
                migrations.RenameModel("RefillTask", "RefillTaskTable"),
                migrations.RenameModel("RollupCursor", "RollupCursorTable"),
                migrations.RenameModel("Route", "RouteTable"),
                migrations.RenameModel("SandboxOrder", "SandboxOrderTable"),
                migrations.RenameModel("SandboxRefill", "SandboxRefillTable"),
                migrations.RenameModel("Service", "ServiceTable"),
                migrations.RenameModel("ServiceDay", "ServiceDayTable"),
                migrations.RenameModel("Transfer", "TransferTable"),
                migrations.RenameModel("TransferReference", "TransferReferenceTable"),
                migrations.RenameModel("Worker", "WorkerTable"),
            ]
        )
    ]
