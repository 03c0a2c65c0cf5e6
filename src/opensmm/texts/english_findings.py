"""The English texts of the findings of ``health`` and ``provider check``."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.codes import FindingCode
from opensmm.texts.template import Words

_PRICE: Final = "`opensmm service below-cost list`: raise the price, or find another provider"
_LIMITS: Final = "see `A pooler in between` in docs/operating.md for what to set for the role"
_V1_ADDS: Final = (
    "Panels of the v1 family read their balance and then write it: of two adds at once, one may get no answer."
)
# Advice and ends of sentences that several findings share.
_START: Final = "start `opensmm worker` or `opensmm serve`; its log says why it went"
_TELL: Final = "see the providers below; one that knows no such action must be told by hand"
_CHARGE: Final = "`opensmm orders show ORDER` of a paused subscription tells why; without funds for a day it is stopped"
_REACH: Final = "see what the worker's log says of it; `opensmm provider check {provider_name}` tries a panel"
_TOP_UP: Final = "top it up there; `opensmm provider balance {provider_name}` asks again"
_READ: Final = "`opensmm provider balance {provider_name}` asks again, and says why it cannot be had"
_SYNC: Final = (
    "`opensmm provider sync {provider_name}` reads it again, and says why; --confirm takes a list that lacks much"
)
_OLDEST: Final = ("age", ", the oldest for {age}")
_NO_NEWS: Final = (
    ("count", "; no news of {count} of its deliveries for twice the usual time"),
    ("age", ", of the oldest for {age}"),
)
_FAULT: Final = ("fault", "; the newest was not: {fault}")
FINDINGS: Final[Mapping[FindingCode, Words]] = {
    FindingCode.NO_WORKER: Words("no worker is alive: nothing is sent or followed", do=_START),
    FindingCode.WORKERS_ALIVE: Words("{count} are alive", singular="1 is alive"),
    FindingCode.WORKERS_SILENT: Words(
        "{alive} alive, {silent} fell silent; the last: process {pid} on {host}, {age} ago", do=_START
    ),
    FindingCode.DUE: Words(
        says="{count} deliveries are due to be sent",
        singular="1 delivery is due to be sent",
        none="no delivery is due to be sent",
        more=(_OLDEST,),
        do="see the workers and the providers below; workers that are all busy need another beside them",
    ),
    FindingCode.DELIVERIES_HEARD_OF: Words(
        says="{count} deliveries are at providers, and there is news of all",
        singular="1 delivery is at a provider, and there is news of it",
        none="no delivery is at a provider",
    ),
    FindingCode.DELIVERIES_UNHEARD_OF: Words(
        says="of {count} deliveries at providers there was no news for twice the usual time",
        singular="of 1 delivery at a provider there was no news for twice the usual time",
        more=(_OLDEST,),
        do="see the providers below, and `a provider did not answer` in the worker's log",
    ),
    FindingCode.LONG_AT_PROVIDERS: Words(
        says="{count} deliveries have been at their providers for more than {limit}",
        singular="1 delivery has been at its provider for more than {limit}",
        none="no delivery has been at its provider for more than {limit}",
        more=(_OLDEST,),
        do="`opensmm orders list --stuck` names them; ask the provider about the oldest",
    ),
    FindingCode.UNSURE_DELIVERIES: Words(
        says="of {count} deliveries it is unsure whether their providers took them",
        singular="of 1 delivery it is unsure whether its provider took it",
        none="of no delivery it is unsure whether its provider took it",
        more=(_OLDEST,),
        do="look each up at its provider (`opensmm orders list --unsure`): nothing is sent again or paid back until it "
        "is settled",
    ),
    FindingCode.HELD_DELIVERIES: Words(
        says="{count} deliveries are held for you",
        singular="1 delivery is held for you",
        none="no delivery is held for you",
        more=(_OLDEST,),
        do="`opensmm orders list --held` names them, `opensmm orders show ORDER` tells why; each waits for you",
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
        says="{count} orders that providers made for posts are not charged yet, and {refused} of the last {remembered} "
        "never will be",
        none="{refused} of the orders that providers made for posts in the last {remembered} will never be charged",
        more=(_OLDEST,),
        do=_CHARGE,
    ),
    FindingCode.NO_PROVIDER: Words("there is none: nothing can be fulfilled", do="`opensmm provider add` adds one"),
    FindingCode.PROVIDER_DISABLED: Words("disabled: it is sent nothing", more=_NO_NEWS, do=_REACH),
    FindingCode.PROVIDER_FAILS: Words(
        "failed sends in a row: {failures}",
        more=(("paused_until", "; it is paused until {paused_until}"), *_NO_NEWS),
        do=_REACH,
    ),
    FindingCode.PROVIDER_UNHEARD_OF: Words("does not answer", more=_NO_NEWS, do=_REACH),
    FindingCode.PROVIDER_IS_STAFF: Words("your own staff: it is not called"),
    FindingCode.PROVIDER_NOT_CALLED_YET: Words("not called yet"),
    FindingCode.PROVIDER_SILENT: Words("has told no balance and taken no order yet"),
    FindingCode.PROVIDER_ANSWERS: Words("answers"),
    FindingCode.PROVIDER_ANSWERED: Words("last told its balance or took an order {age} ago"),
    FindingCode.BALANCE_GONE: Words("nothing is left", do=_TOP_UP),
    FindingCode.BALANCE_LASTS: Words(
        "{balance} {currency}, which lasts {hours} h at the pace of the last day", do=_TOP_UP
    ),
    FindingCode.BALANCE_TOO_LITTLE: Words("{balance} {currency}, too little for most orders", do=_TOP_UP),
    FindingCode.BALANCE_AT_NO_PACE: Words("{balance} {currency}; how long it lasts is not known"),
    FindingCode.BALANCE_READ: Words("its balance was read {age} ago", do=_READ),
    FindingCode.BALANCE_NEVER_READ: Words("its balance was asked for, and never read", do=_READ),
    FindingCode.BALANCE_NOT_ASKED_YET: Words("its balance was not asked for yet"),
    FindingCode.PRICE_LIST_TAKEN: Words("taken over {age} ago", more=(_FAULT,), do=_SYNC),
    FindingCode.PRICE_LIST_NEVER_READ: Words("never taken over", more=(_FAULT,), do=_SYNC),
    FindingCode.DATABASE: Words("{mib} MiB"),
    FindingCode.TRANSACTION_OPEN: Words(
        "{mib} MiB; a transaction has been open for {age}",
        do="find it in pg_stat_activity; while it lasts, dead rows of every table stay",
    ),
    FindingCode.CATALOGUE: Words("the price list is at version {version}"),
    FindingCode.CLOCK_RUNS_ON: Words("the database's clock runs on"),
    FindingCode.WORKER_CLOCKS_AGREE: Words("agree with the database's"),
    FindingCode.FORGOTTEN_ORDERS: Words(
        says="{count} orders will never be sent or asked after, among them {orders}",
        singular="1 order will never be sent or asked after: {orders}",
        none="every order will be seen to",
        do="`opensmm verify` names what is wrong; `orders cancel` or `orders complete` ends an order",
    ),
    FindingCode.DISK_ROOM: Words("{free_mib} of {total_mib} MiB are free on the disk of {folder}"),
    FindingCode.DISK_SPACE: Words(
        "Only {free_mib} of {total_mib} MiB are free on the disk of {folder}",
        do="make room there before it is full: then every order is refused",
    ),
    FindingCode.PEPPER: Words(
        says="is not the one that this database's keys were made with: no key opens anything",
        do="bring the right one back (the file `pepper`, or OPENSMM_PEPPER); if it is lost, `opensmm new-pepper`",
    ),
    FindingCode.PEPPER_UNREAD: Words(
        says="is not here, or cannot be read: whether it is the right one is not known",
        do="run this where the panel runs; if the file is lost, bring it back before the panel is started again",
    ),
    FindingCode.SERVER_AS_NEEDED: Words("PostgreSQL {version}; commits are waited for, sessions have their limits"),
    FindingCode.SERVER_TOO_OLD: Words(
        "PostgreSQL {version} is older than the panel needs ({least})", do="move the database to a newer server"
    ),
    FindingCode.COMMITS_NOT_WAITED_FOR: Words(
        "synchronous_commit is {value}: orders that were answered may be lost", do=_LIMITS
    ),
    FindingCode.SESSION_LIMITS_MISSING: Words("the sessions' limits are not in force: {names}", do=_LIMITS),
    FindingCode.LATE_ACCEPTANCES: Words(
        says="{count} orders were bought after they had been settled otherwise, the oldest for {age}: {named}",
        singular="1 order was bought after it had been settled otherwise, for {age}: {named}",
        none="nothing was bought after it had been settled otherwise",
        do="cancel each at its provider; `opensmm orders list --late` lists them; then `orders dealt-with ORDER`",
    ),
    FindingCode.ODD_ENDS: Words(
        says="{count} orders ended here in another way than at their provider, or at a cost that is not clear, the "
        "oldest for {age}: {named}",
        singular="1 order ended here in another way than at its provider, or at a cost that is not clear, for {age}: "
        "{named}",
        none="every order ended here as at its provider",
        do="`opensmm orders list --odd` lists what was said of each; then `orders dealt-with ORDER`",
    ),
    FindingCode.SUBSCRIPTIONS_NEED_POSTS: Words(
        "{count} of these are subscriptions. Your customers pay for each post, so the provider must list the orders "
        "that it makes for posts; of one that charges them whole and lists none you pay and nobody pays you.",
        singular="1 of these is a subscription. Your customers pay for each post, so the provider must list the orders "
        "that it makes for posts; of one that charges it whole and lists none you pay and nobody pays you.",
    ),
    FindingCode.FORMS_ONE_AND_MANY: Words("It answers `{action}` of one and of a list."),
    FindingCode.FORMS_ONE_ALONE: Words("It answers `{action}` of one alone, not of a list: it is asked one by one."),
    FindingCode.FORMS_LISTS_ALONE: Words("It answers `{action}` of a list alone: of one it is asked in a list of one."),
    FindingCode.FORMS_NONE: Words("It answers `{action}` of {id} with no status, neither alone nor in a list."),
    FindingCode.FORMS_UNANSWERED: Words("It does not answer `{action}` of {id}: {why}."),
    FindingCode.FORMS_NOT_TRIED: Words("`{action}` is not tried: nothing of ours stands there to be asked about."),
    FindingCode.FORMS_WITH_EFFECTS: Words(
        "`refill` and `cancel` are not tried: they would make one. Their forms are learned as they are used."
    ),
    FindingCode.CANCELS_UNHEARD: Words(
        "{count} cancels got no clear answer and are passed on no more, the oldest for {age}: {named}",
        singular="1 cancel got no clear answer and is passed on no more, for {age}: {named}",
        none="every cancel that was passed on got a clear answer",
        do="cancel each at its provider, then `opensmm orders cancel ORDER`",
    ),
    FindingCode.REFILLS_UNCLEAR: Words(
        "{count} refills got no clear answer and are asked for no more, the oldest for {age}: {named}",
        singular="1 refill got no clear answer and is asked for no more, for {age}: {named}",
        none="every refill that was asked for got a clear answer",
        do="look each up at its provider, then `opensmm staff refilled REFILL` or `opensmm staff reject REFILL`",
    ),
    FindingCode.PRICE_FOLLOWS: Words(
        "Its price follows the list of {provider_name}, which sets it to {rate} again when it is next read.",
        do="`opensmm provider follow {provider_name} --own-prices` keeps prices yours.",
    ),
    FindingCode.UNREAD_SERVICES: Words(
        "{count} services have a route whose line in the provider's price list cannot be read: {named}",
        singular="1 service has a route whose line in the provider's price list cannot be read: {named}",
        none="the line of every route is read in its provider's price list",
        do="tell the provider, or give these services another route; `opensmm provider sync` reads the list again",
    ),
    FindingCode.CLOCK_STEPPED: Words(
        "The database's clock was set by {moved}, {age} ago. Evidence settles no order that was unsure then.",
        do="Settle those yourself: `opensmm orders list --unsure`. Let NTP keep the database's machine on time.",
    ),
    FindingCode.NODE_CHANGED: Words(
        "Another database took over {age} ago, its clock set by {moved}. Evidence settles no order that was unsure "
        "then.",
        do="Settle those yourself: `opensmm orders list --unsure`.",
    ),
    FindingCode.WORKER_CLOCK_OFF: Words(
        "The clock of {host} (pid {pid}) is {off} off the database's, which decides: its log tells other times.",
        do="Let NTP keep that machine on time.",
    ),
    FindingCode.QUARANTINED: Words(
        "{count} services are not sold, since their cost, or what is sold, changed too far: ids {services}. "
        "Subscriptions go on",
        singular="1 service is not sold, since its cost, or what is sold, changed too far: id {services}. "
        "Subscriptions go on",
        none="no service waits for your approval",
        do="`opensmm service quarantine list` tells costs and prices; `approve` sells them again",
    ),
    FindingCode.HALTED: Words(
        "{count} services are not sold, since no provider lists them as they are sold: ids {services}",
        singular="1 service is not sold, since no provider lists it as it is sold: id {services}",
        none="every service on sale is listed by a provider as it is sold",
        do="`opensmm service list`: route them elsewhere, or take them off sale; they return by themselves",
    ),
    FindingCode.BELOW_COST_REFUSED: Words(
        "{count} services cost more than they are sold at, so orders are refused: ids {services}. Subscriptions go on",
        singular="1 service costs more than it is sold at, so orders are refused: id {services}. Subscriptions go on",
        none="no service costs more than it is sold at",
        do=_PRICE,
    ),
    FindingCode.BELOW_COST_HELD: Words(
        "{count} services cost more than they are sold at, so orders are held: ids {services}. Subscriptions go on",
        singular="1 service costs more than it is sold at, so orders are held: id {services}. Subscriptions go on",
        none="no service costs more than it is sold at",
        do=_PRICE,
    ),
    FindingCode.ORDER_IDS_DO_NOT_GROW: Words(
        "Its order ids do not grow (the newest is {newest}): evidence cannot settle orders whose answer is lost.",
        do="Settle its unsure orders yourself: `opensmm orders list --unsure`.",
    ),
    FindingCode.WORKERS_CANNOT_CALL: Words(
        says="The workers that run cannot call {provider_name}, whatever this shell can: {why}. Its orders wait.",
        do="`opensmm health` says what to do.",
    ),
    FindingCode.ADDS_FEW_AT_A_TIME: Words(
        says=f"Up to {{count}} adds go to {{provider_name}} at a time, of all workers together. {_V1_ADDS}",
        singular=f"Adds go to {{provider_name}} one at a time, over all workers. {_V1_ADDS}",
    ),
    FindingCode.ADDS_AS_MANY_AS_CALLS: Words(
        says="Up to {count} adds go to {provider_name} at a time, as many as calls: it is not set to take fewer.",
        singular="Each worker sends {provider_name} one add at a time: it is not set to take fewer.",
    ),
    FindingCode.ADDS_NOT_DECIDED: Words(
        says=f"Up to {{count}} adds go to {{provider_name}} at a time, as many as calls, and it speaks v1. {_V1_ADDS}",
        singular=f"Each worker sends {{provider_name}} one add at a time, and it speaks v1. {_V1_ADDS}",
        do="`opensmm provider edit {provider_name} --adds-at-a-time 1` sends one at a time; 0 leaves it as it is.",
    ),
    FindingCode.PROVIDER_NOT_ALLOWED: Words(
        says="is not called: {why}; its orders wait",
        do="set OPENSMM_PRIVATE_PROVIDERS=1 for `opensmm serve` and `opensmm worker`, and start them again; "
        "or `opensmm provider edit {provider_name} --url`",
    ),
    FindingCode.PROVIDER_NOT_OPENED: Words(
        says="is not called: {why}; its orders wait",
        do="bring the pepper back that its key was sealed with, or `opensmm provider edit {provider_name} --ask-key`; "
        "`opensmm provider check {provider_name}` tries it",
    ),
    FindingCode.PROVIDER_REFUSES_KEY: Words(
        says="refuses our key, account or address: “{words}”; its orders wait",
        do="`opensmm provider edit {provider_name} --ask-key`, or ask them; one order at a time tries it again",
    ),
    FindingCode.PROVIDER_WITHOUT_FUNDS: Words(
        says="has no money of ours left: “{words}”; its orders wait",
        do="top it up there; one order at a time tries it again",
    ),
    FindingCode.REFILL_ANSWERS_NOT_UNDERSTOOD: Words(
        says="{count} refills stay as they were, since what their providers say is not understood: "
        "{provider_name} says “{words}”, the oldest for {age}",
        singular="1 refill stays as it was, since what its provider says is not understood: "
        "{provider_name} says “{words}”, for {age}",
        none="what providers say of refills is understood",
        do="`opensmm orders list --unread` names them; look them up there, then `opensmm staff refilled REFILL` or "
        "`opensmm staff reject REFILL` where they ended",
    ),
    FindingCode.ANSWERS_NOT_UNDERSTOOD: Words(
        says="what providers say of {count} deliveries is not understood: {provider_name} says “{words}”, the oldest "
        "for {age}",
        singular="what its provider says of 1 delivery is not understood: {provider_name} says “{words}”, for {age}",
        none="what providers say of orders is understood",
        do="`opensmm orders list --unread` names them; look them up there, and end them by hand where they ended",
    ),
}
