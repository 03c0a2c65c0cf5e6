"""The English texts of the findings of ``health`` and ``provider check``."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.codes import FindingCode
from opensmm.texts.template import Words

_PRICE: Final = "see them with `opensmm service below-cost list`; raise their prices, or find another provider"
_LIMITS: Final = "set up the database role as `A pooler in between` in docs/operating.md describes"
_V1_ADDS: Final = (
    "Panels of the v1 family read their balance and then write it back: if two adds arrive at once, one may get no "
    "answer."
)
# Advice and ends of sentences that several findings share.
_START: Final = "start `opensmm worker` or `opensmm serve`; the worker's log says why it stopped"
_TELL: Final = "check the providers below; if one does not support this request, contact it directly"
_CHARGE: Final = (
    "see with `opensmm orders show ORDER` why a subscription is paused; after a day without funds it is cancelled"
)
_REACH: Final = (
    "check the worker's log for this provider; if it is a panel, test it with `opensmm provider check {provider_name}`"
)
_TOP_UP: Final = "top up your balance there; then read it with `opensmm provider balance {provider_name}`"
_READ: Final = "read it with `opensmm provider balance {provider_name}`, which also reports errors"
_SYNC: Final = (
    "read it again with `opensmm provider sync {provider_name}`, which reports errors; add --confirm to apply a list "
    "that lacks many services"
)
_OLDEST: Final = ("age", ", the oldest for {age}")
_NO_UPDATE: Final = (
    ("count", "; no status update for {count} of its deliveries in twice the usual time"),
    ("age", ", for the oldest in {age}"),
)
_FAULT: Final = ("fault", "; the newest list was not applied: {fault}")
FINDINGS: Final[Mapping[FindingCode, Words]] = {
    FindingCode.NO_WORKER: Words("no worker is alive: nothing is sent or polled", do=_START),
    FindingCode.WORKERS_ALIVE: Words("{count} are alive", singular="1 is alive"),
    FindingCode.WORKERS_SILENT: Words(
        "{alive} alive, {silent} stopped responding; the last to stop was process {pid} on {host}, {age} ago", do=_START
    ),
    FindingCode.DUE: Words(
        says="{count} deliveries are due to be sent",
        singular="1 delivery is due to be sent",
        none="no delivery is due to be sent",
        more=(_OLDEST,),
        do="check the workers and the providers below; if all workers are busy, start another",
    ),
    FindingCode.DELIVERIES_HEARD_OF: Words(
        says="{count} deliveries are at providers, all with a recent status update",
        singular="1 delivery is at a provider, with a recent status update",
        none="no delivery is at a provider",
    ),
    FindingCode.DELIVERIES_UNHEARD_OF: Words(
        says="{count} deliveries at providers had no status update in twice the usual time",
        singular="1 delivery at a provider had no status update in twice the usual time",
        more=(_OLDEST,),
        do="check the providers below, and look for `a provider did not answer` in the worker's log",
    ),
    FindingCode.LONG_AT_PROVIDERS: Words(
        says="{count} deliveries have been at their providers for more than {limit}",
        singular="1 delivery has been at its provider for more than {limit}",
        none="no delivery has been at its provider for more than {limit}",
        more=(_OLDEST,),
        do="list them with `opensmm orders list --stuck`; ask the provider about the oldest",
    ),
    FindingCode.UNSURE_DELIVERIES: Words(
        says="{count} deliveries are unsure: their providers may or may not have accepted them",
        singular="1 delivery is unsure: its provider may or may not have accepted it",
        none="no delivery is unsure",
        more=(_OLDEST,),
        do="look up each one at its provider (`opensmm orders list --unsure`) and resolve it (`opensmm orders "
        "settle`); until then it is neither sent again nor refunded",
    ),
    FindingCode.HELD_DELIVERIES: Words(
        says="{count} deliveries are held until you decide",
        singular="1 delivery is held until you decide",
        none="no delivery is held",
        more=(_OLDEST,),
        do="list them with `opensmm orders list --held`, see why with `opensmm orders show ORDER`, and decide on each",
    ),
    FindingCode.REFILLS_NOT_PASSED: Words(
        says="{count} refills have yet to be passed on to their providers",
        singular="1 refill has yet to be passed on to its provider",
        none="no refill waits to be passed on",
        more=(_OLDEST,),
        do=_TELL,
    ),
    FindingCode.CANCELS_NOT_PASSED: Words(
        says="{count} cancels have yet to be passed on to their providers",
        singular="1 cancel has yet to be passed on to its provider",
        none="no cancel waits to be passed on",
        more=(_OLDEST,),
        do=_TELL,
    ),
    FindingCode.POSTS_NOT_CHARGED: Words(
        says="{count} orders that providers made for posts are not charged yet",
        singular="1 order that a provider made for a post is not charged yet",
        none="no order for a post waits to be charged",
        more=(_OLDEST,),
        do=_CHARGE,
    ),
    FindingCode.POSTS_REFUSED: Words(
        says="{refused} of the orders that providers made for posts in the last {remembered} will never be charged, "
        "and {count} are not charged yet",
        singular="{refused} of the orders that providers made for posts in the last {remembered} will never be "
        "charged, and 1 is not charged yet",
        none="{refused} of the orders that providers made for posts in the last {remembered} will never be charged",
        more=(_OLDEST,),
        do=_CHARGE,
    ),
    FindingCode.NO_PROVIDER: Words(
        "there is none, so nothing can be fulfilled", do="add one with `opensmm provider add`"
    ),
    FindingCode.PROVIDER_DISABLED: Words("disabled: no orders are sent to it", more=_NO_UPDATE, do=_REACH),
    FindingCode.PROVIDER_FAILS: Words(
        "failed sends in a row: {failures}",
        more=(("paused_until", "; it is not called until {paused_until}"), *_NO_UPDATE),
        do=_REACH,
    ),
    FindingCode.PROVIDER_UNHEARD_OF: Words("does not answer", more=_NO_UPDATE, do=_REACH),
    FindingCode.PROVIDER_IS_STAFF: Words("your own staff: it is not called"),
    FindingCode.PROVIDER_NOT_CALLED_YET: Words("not called yet"),
    FindingCode.PROVIDER_SILENT: Words("has not reported a balance or accepted an order yet"),
    FindingCode.PROVIDER_ANSWERS: Words("answers"),
    FindingCode.PROVIDER_ANSWERED: Words("last reported its balance or accepted an order {age} ago"),
    FindingCode.BALANCE_GONE: Words("nothing is left", do=_TOP_UP),
    FindingCode.BALANCE_LASTS: Words(
        "{balance} {currency}, which lasts {hours} h at the pace of the last day", do=_TOP_UP
    ),
    FindingCode.BALANCE_TOO_LITTLE: Words("{balance} {currency}, too little for most orders", do=_TOP_UP),
    FindingCode.BALANCE_AT_NO_PACE: Words("{balance} {currency}; it is unknown how long it lasts"),
    FindingCode.BALANCE_READ: Words("its balance was read {age} ago", do=_READ),
    FindingCode.BALANCE_NEVER_READ: Words("its balance was requested, but never read", do=_READ),
    FindingCode.BALANCE_NOT_ASKED_YET: Words("its balance has not been requested yet"),
    FindingCode.PRICE_LIST_TAKEN: Words("applied {age} ago", more=(_FAULT,), do=_SYNC),
    FindingCode.PRICE_LIST_NEVER_READ: Words("never applied", more=(_FAULT,), do=_SYNC),
    FindingCode.DATABASE: Words("{mib} MiB"),
    FindingCode.TRANSACTION_OPEN: Words(
        "{mib} MiB; a transaction has been open for {age}",
        do="find it in pg_stat_activity; while it is open, vacuum cannot remove dead rows of any table",
    ),
    FindingCode.CATALOGUE: Words("the price list is at version {version}"),
    FindingCode.CLOCK_RUNS_ON: Words("the database's clock has not jumped"),
    FindingCode.WORKER_CLOCKS_AGREE: Words("agree with the database's"),
    FindingCode.FORGOTTEN_ORDERS: Words(
        says="{count} orders will never be sent or polled: {orders}",
        singular="1 order will never be sent or polled: {orders}",
        none="every open order will be sent or polled",
        do="find the cause with `opensmm verify`; end each with `opensmm orders cancel` or `opensmm orders complete`",
    ),
    FindingCode.DISK_ROOM: Words("{free_mib} of {total_mib} MiB are free on the disk of {folder}"),
    FindingCode.DISK_SPACE: Words(
        "only {free_mib} of {total_mib} MiB are free on the disk of {folder}",
        do="free some space there now: when the disk is full, every order is refused",
    ),
    FindingCode.PEPPER: Words(
        says="is not the one that this database's keys were made with, so no key works",
        do="restore the right one (the file `pepper`, or OPENSMM_PEPPER); if it is lost, run `opensmm new-pepper`",
    ),
    FindingCode.PEPPER_UNREAD: Words(
        says="is missing or cannot be read here, so it could not be checked",
        do="run this where the panel runs; if the file is lost, restore it before you start the panel again",
    ),
    FindingCode.SERVER_AS_NEEDED: Words("PostgreSQL {version}; commits are durable, and sessions have their limits"),
    FindingCode.SERVER_TOO_OLD: Words(
        "PostgreSQL {version} is older than the panel needs ({least})", do="move the database to a newer server"
    ),
    FindingCode.COMMITS_NOT_WAITED_FOR: Words(
        "synchronous_commit is {value}: orders that were answered may be lost", do=_LIMITS
    ),
    FindingCode.SESSION_LIMITS_MISSING: Words("these session limits are not set: {names}", do=_LIMITS),
    FindingCode.LATE_ACCEPTANCES: Words(
        says="providers accepted {count} orders after these had been resolved otherwise, the oldest {age} ago: {named}",
        singular="a provider accepted 1 order after it had been resolved otherwise, {age} ago: {named}",
        none="no provider accepted an order after it had been resolved otherwise",
        do="list them with `opensmm orders list --late`, cancel each at its provider, then run `opensmm orders "
        "dealt-with ORDER`",
    ),
    FindingCode.ODD_ENDS: Words(
        says="{count} orders ended differently here and at their providers, or at an unclear cost, the oldest {age} "
        "ago: {named}",
        singular="1 order ended differently here and at its provider, or at an unclear cost, {age} ago: {named}",
        none="every order ended here as it did at its provider",
        do="see what was reported with `opensmm orders list --odd`, check each at its provider, then run `opensmm "
        "orders dealt-with ORDER`",
    ),
    FindingCode.SUBSCRIPTIONS_NEED_POSTS: Words(
        "{count} of these are subscriptions. Your customers pay for each post, so the provider must list the orders "
        "that it makes for posts. If it charges whole subscriptions and lists no orders, you pay and nobody pays you.",
        singular="1 of these is a subscription. Your customers pay for each post, so the provider must list the orders "
        "that it makes for posts. If it charges the whole subscription and lists no orders, you pay and nobody pays "
        "you.",
    ),
    FindingCode.FORMS_ONE_AND_MANY: Words("It answers `{action}` for one id and for a list of ids."),
    FindingCode.FORMS_ONE_ALONE: Words(
        "It answers `{action}` for one id, but not for a list: it is asked for one id at a time."
    ),
    FindingCode.FORMS_LISTS_ALONE: Words(
        "It answers `{action}` only for a list: a single id is sent as a list of one."
    ),
    FindingCode.FORMS_NONE: Words("It answers `{action}` for {id} without a status, both alone and in a list."),
    FindingCode.FORMS_UNANSWERED: Words("It does not answer `{action}` for {id}: {why}."),
    FindingCode.FORMS_NOT_TRIED: Words("`{action}` was not tested: this provider has nothing of ours to ask about."),
    FindingCode.FORMS_WITH_EFFECTS: Words(
        "`refill` and `cancel` were not tested, because a test would create one. The panel learns their forms from use."
    ),
    FindingCode.CANCELS_UNHEARD: Words(
        "{count} cancels got no clear answer, the oldest in {age}, and are no longer passed on: {named}",
        singular="1 cancel got no clear answer in {age}, and is no longer passed on: {named}",
        none="every cancel that was passed on got a clear answer",
        do="cancel each at its provider, then run `opensmm orders cancel ORDER`",
    ),
    FindingCode.REFILLS_UNCLEAR: Words(
        "{count} refills got no clear answer, the oldest in {age}, and are no longer requested: {named}",
        singular="1 refill got no clear answer in {age}, and is no longer requested: {named}",
        none="every refill that was requested got a clear answer",
        do="look up each one at its provider, then run `opensmm staff refilled REFILL` or `opensmm staff reject "
        "REFILL`",
    ),
    FindingCode.PRICE_FOLLOWS: Words(
        "Its price follows the price list of {provider_name}: the next sync sets it to {rate} again.",
        do="Keep your own prices with `opensmm provider follow {provider_name} --own-prices`.",
    ),
    FindingCode.UNREAD_SERVICES: Words(
        "{count} services have a route whose line in the provider's price list cannot be read: {named}",
        singular="1 service has a route whose line in the provider's price list cannot be read: {named}",
        none="the line of every route in its provider's price list can be read",
        do="tell the provider, or give these services another route; read the list again with `opensmm provider sync`",
    ),
    FindingCode.CLOCK_STEPPED: Words(
        "the database's clock jumped by {moved}, {age} ago; evidence resolves no order that was unsure then",
        do="resolve those orders yourself (`opensmm orders list --unsure`); let NTP keep the database's machine on "
        "time",
    ),
    FindingCode.NODE_CHANGED: Words(
        "another database took over {age} ago, and its clock differs by {moved}; evidence resolves no order that was "
        "unsure then",
        do="resolve those orders yourself: `opensmm orders list --unsure`",
    ),
    FindingCode.WORKER_CLOCK_OFF: Words(
        "the clock of {host} (pid {pid}) is off by {off}: the panel uses the database's clock, but the times in that "
        "worker's log are wrong",
        do="let NTP keep that machine on time",
    ),
    FindingCode.QUARANTINED: Words(
        "{count} services are in quarantine, because their cost or product changed too far: ids {services}; "
        "subscriptions continue",
        singular="1 service is in quarantine, because its cost or product changed too far: id {services}; "
        "subscriptions continue",
        none="no service is in quarantine",
        do="see costs and prices with `opensmm service quarantine list`; sell services again with `opensmm service "
        "quarantine approve`",
    ),
    FindingCode.HALTED: Words(
        "{count} services are not sold, because no provider lists them, or only as another type: ids {services}",
        singular="1 service is not sold, because no provider lists it, or only as another type: id {services}",
        none="every service on sale is listed by a provider, as its type",
        do="see them with `opensmm service list`; give them another route, or take them off sale; they return by "
        "themselves",
    ),
    FindingCode.BELOW_COST_REFUSED: Words(
        "{count} services cost more than they sell for, so orders are refused: ids {services}; subscriptions continue",
        singular="1 service costs more than it sells for, so orders are refused: id {services}; subscriptions continue",
        none="no service costs more than it sells for",
        do=_PRICE,
    ),
    FindingCode.BELOW_COST_HELD: Words(
        "{count} services cost more than they sell for, so orders are held: ids {services}; subscriptions continue",
        singular="1 service costs more than it sells for, so orders are held: id {services}; subscriptions continue",
        none="no service costs more than it sells for",
        do=_PRICE,
    ),
    FindingCode.ORDER_IDS_DO_NOT_GROW: Words(
        "Its order ids do not grow (the newest is {newest}), so evidence cannot resolve orders whose answer was lost.",
        do="Resolve its unsure orders yourself: `opensmm orders list --unsure`.",
    ),
    FindingCode.WORKERS_CANNOT_CALL: Words(
        says="The running workers cannot call {provider_name}, even if this shell can: {why}. Its orders wait.",
        do="See `opensmm health` for what to do.",
    ),
    FindingCode.ADDS_FEW_AT_A_TIME: Words(
        says=f"Up to {{count}} adds go to {{provider_name}} at a time, over all workers. {_V1_ADDS}",
        singular=f"Adds go to {{provider_name}} one at a time, over all workers. {_V1_ADDS}",
    ),
    FindingCode.ADDS_AS_MANY_AS_CALLS: Words(
        says="Up to {count} adds go to {provider_name} at a time, as many as calls: no lower limit is set.",
        singular="Each worker sends {provider_name} one add at a time: no lower limit is set.",
    ),
    FindingCode.ADDS_NOT_DECIDED: Words(
        says=f"Up to {{count}} adds go to {{provider_name}} at a time, as many as calls, and it speaks v1. {_V1_ADDS}",
        singular=f"Each worker sends {{provider_name}} one add at a time, and it speaks v1. {_V1_ADDS}",
        do="Send one at a time with `opensmm provider edit {provider_name} --adds-at-a-time 1`; 0 keeps it as it is.",
    ),
    FindingCode.PROVIDER_NOT_ALLOWED: Words(
        says="is not called: {why}; its orders wait",
        do="set OPENSMM_PRIVATE_PROVIDERS=1 for `opensmm serve` and `opensmm worker`, and restart them; or give "
        "another address with `opensmm provider edit {provider_name} --url`",
    ),
    FindingCode.PROVIDER_NOT_OPENED: Words(
        says="is not called: {why}; its orders wait",
        do="restore the pepper that its key was encrypted with, or enter the key again with `opensmm provider edit "
        "{provider_name} --ask-key`; then test it with `opensmm provider check {provider_name}`",
    ),
    FindingCode.PROVIDER_REFUSES_KEY: Words(
        says="refuses our key, account or address: “{words}”; its orders wait",
        do="enter another key with `opensmm provider edit {provider_name} --ask-key`, or ask the provider; one order "
        "at a time tests it again",
    ),
    FindingCode.PROVIDER_WITHOUT_FUNDS: Words(
        says="has none of our money left: “{words}”; its orders wait",
        do="top up your balance there; one order at a time tests it again",
    ),
    FindingCode.REFILL_ANSWERS_NOT_UNDERSTOOD: Words(
        says="{count} refills stay as they were, because the panel does not understand what their providers report: "
        "{provider_name} reports “{words}”, the oldest for {age}",
        singular="1 refill stays as it was, because the panel does not understand what its provider reports: "
        "{provider_name} reports “{words}”, for {age}",
        none="all that providers report on refills is understood",
        do="list them with `opensmm orders list --unread` and look up each one at its provider; if it has ended there, "
        "run `opensmm staff refilled REFILL` or `opensmm staff reject REFILL`",
    ),
    FindingCode.ANSWERS_NOT_UNDERSTOOD: Words(
        says="the panel does not understand what providers report on {count} deliveries: {provider_name} reports "
        "“{words}”, the oldest for {age}",
        singular="the panel does not understand what a provider reports on 1 delivery: {provider_name} reports "
        "“{words}”, for {age}",
        none="all that providers report on orders is understood",
        do="list them with `opensmm orders list --unread` and look up each one at its provider; if it has ended there, "
        "end it by hand",
    ),
}
