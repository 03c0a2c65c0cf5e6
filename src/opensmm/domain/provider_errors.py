"""Vocabulary of other panels: the meaning of an error text, in any wording and in seven languages.

In doubt a text proves nothing. Samples with their meanings are in ``tests/corpus``.
"""

from enum import StrEnum
from typing import Final

from opensmm.domain.dispatch import AccountFault
from opensmm.domain.phrases import any_matches, compile_english, compile_phrases, fold
from opensmm.domain.provider_refusals import RefusedThing, refused_thing


class Meaning(StrEnum):
    """Meaning of an error text after an ``add``.

    ``REFUSAL``: the order was checked and refused. ``KEY``, ``FUNDS``: we were refused, whatever was ordered.
    ``PUT_OFF``, ``SERVICE_PUT_OFF``: the request, or any for one service, may be sent later. ``FAULT``: a program
    failed, and may have bought before. ``UNKNOWN``: none of these.
    """

    REFUSAL = "refusal"
    KEY = "key"
    FUNDS = "funds"
    PUT_OFF = "put_off"
    SERVICE_PUT_OFF = "service_put_off"
    FAULT = "fault"
    UNKNOWN = "unknown"


_REFUSED: Final = {
    RefusedThing.PROGRAM: Meaning.FAULT,
    RefusedThing.MONEY: Meaning.FUNDS,
    RefusedThing.ACCESS: Meaning.KEY,
    RefusedThing.PACE: Meaning.PUT_OFF,
    RefusedThing.ORDER: Meaning.REFUSAL,
    RefusedThing.UNNAMED: Meaning.UNKNOWN,
}
"""Meanings of a refusal, by what it is about."""
ACCOUNT_FAULT: Final = {Meaning.KEY: AccountFault.KEY, Meaning.FUNDS: AccountFault.FUNDS}

_BREAKDOWN: Final = (
    compile_english(
        r"""timed?[ -]?out | execution\ time | gateway | \bcurl\b | \bsql | exception | \bfatal\b | deadlock
        | duplicate\ entry | \bclass\b | \bargument\b | undefined | \bcall\ to\b | \bon\ line\b | connection
        | (?:server|internal|unknown)\ error | unexpected | (?:an|some)\ error\ (?:has\ )?occur | went\ wrong
        | \boops\b | \bkey\ error\b | cannot\ insert | datetime | range\ value
        | session | csrf | mismatch | \bmemory\b | lock\ wait | \bpdo | database | \bquery\b | traceback
        | stack\ trace
        | \bnull\b | not\ defined | cannot\ read | \bundef | not\ a\ function | \bsyntax\b | segmentation
        | index\ out\ of\ range | failed\ to\ (?:connect|open|fetch|write|read|save|send|process|create|place)
        | could\ not\ (?:connect|open|resolve|save|write|process|be\ processed) | \bcrash | read\ only | upstream"""
    ),
    compile_phrases(
        """
        время ожидания
        таймаут
        ошибка .. сервера
        внутренняя ошибка
        что-то пошло не так
        zaman aşımı
        sunucu hatası
        bir hata oluştu
        tiempo de espera
        error interno
        error del servidor
        error de servidor
        algo salió mal
        tempo esgotado
        tempo limite
        erro interno
        erro no servidor
        erro do servidor
        algo deu errado
        hết thời gian
        quá thời gian
        lỗi hệ thống
        lỗi máy chủ
        انتهت المهلة
        انتهى الوقت
        خطأ في الخادم
        خطأ داخلي
        حدث خطأ
        """
    ),
)
_TAKEN: Final = (
    compile_english(
        r"""(?:been|was|were)\ (?:already\ )?(?:placed|created|accepted|received|submitted|processed|queued)
        | (?:being|already)\ (?:placed|created|processed|submitted) | (?<!un)success | thank\ you
        | (?:duplicate|identical|repeated)\ (?:order|request) | order\ (?:already\ )?exists
        | \border\b(?:(?!\bnot?\b|n't\b|cannot\b).){0,30}
          \b(?:created|registered|saved|placed|accepted|submitted|sent|inserted|queued
          |approv\w+|await\w*|waiting|in\ queue)\b"""
    ),
    compile_phrases(
        """
        успешно
        заказ .. создан
        заказ .. размещен
        заказ .. принят
        заказ .. оформлен
        заказ .. добавлен
        заказ .. обрабатывается
        заказ .. отправлен
        заявка .. принята
        başarıyla
        başarılı
        sipariş* .. alındı
        sipariş* .. oluşturuldu
        sipariş* .. verildi
        sipariş* .. kaydedildi
        con éxito
        com sucesso
        com êxito
        pedido .. creado
        pedido .. realizado
        pedido .. recibido
        pedido .. registrado
        orden .. creada
        orden .. realizada
        orden .. recibida
        orden .. registrada
        pedido .. criado
        pedido .. recebido
        pedido .. efetuado
        pedido .. enviado
        đơn hàng .. được tạo
        đơn hàng .. thành công
        đơn hàng .. ghi nhận
        đặt hàng thành công
        đã nhận đơn
        đơn hàng .. được gửi
        yêu cầu .. được gửi
        تم إنشاء
        تم تقديم
        تم استلام
        تم قبول
        تم إرسال
        تم تسجيل
        تم الطلب
        بنجاح
        """
    ),
)
"""Words of a program that may have bought: they outweigh all words of refusal beside them."""

_PUT_OFF: Final = (
    compile_english(
        r"""too\ many\ (?:requests|attempts|orders) | rate\ limit | slow\ down | maintenance | maintaining
        | temporar\w*\ (?:unavailable|not\ available|disabled|closed|down|offline|stopped|paused|suspended)
        | (?:orders?|requests?|calls?)\ (?:per|a|each|every)\ (?:second|minute|hour|day)
        | (?:request|api)\ (?:limit|quota)\ (?:is\ )?(?:reached|exceeded)
        | \bwait\ (?:for\ )?[0-9]+\ (?:seconds?|minutes?)\ (?:before|between)
        | try\ again\ (?:shortly|in\ a\ (?:moment|few|minute)|in\ \d)
        | (?:unavailable|not\ available|closed|busy)\ (?:at\ the\ moment|right\ now|at\ this\ time)"""
    ),
    compile_phrases(
        """
        слишком много запросов
        технические работы
        техническое обслуживание
        временно недоступ*
        çok fazla istek
        bakım*
        geçici olarak
        demasiadas solicitudes
        demasiadas peticiones
        mantenimiento
        temporalmente
        muitas requisições
        muitas solicitações
        manutenção
        temporariamente
        quá nhiều yêu cầu
        bảo trì
        tạm thời
        طلبات كثيرة
        الصيانة
        صيانة
        مؤقتا
        """
    ),
)
_ONE_SERVICE: Final = compile_phrases(
    """
    this service
    service is
    the service
    эта услуга
    услуга
    servis
    bu servis
    este servicio
    el servicio
    este serviço
    o serviço
    dịch vụ này
    هذه الخدمة
    الخدمة
    """
)
_KEY: Final = (
    compile_english(
        r"""(?:invalid|incorrect|wrong|bad|unknown|missing|expired|revoked|inactive|no)
          \ (?:api\ ?|access\ |secret\ )?(?:key|token)\b
        | (?:api\ ?|access\ |^)key(?:\ \w+){0,3}?
          \ (?:invalid|incorrect|wrong|expired|revoked|missing|required|disabled|inactive|exist|exists|valid|found)
        | api\ (?:access\ )?(?:is|was|has\ been)\ (?:disable|off\b|not\ enabled)
        | account(?:\ \w+){0,3}?\ (?:suspended|banned|blocked|disabled|inactive|deactivated|closed|frozen|locked)
        | (?:suspended|banned|blocked|disabled|inactive)\ (?:account|user)\b
        | you(?:\ are|r\ user\ is|\ have\ been)\ (?:banned|blocked|suspended)
        | \bip\b.{0,40}
          (?:not\ (?:allowed|whitelisted|permitted|authori[sz]ed)|blocked|denied|forbidden|unauthori[sz]ed|banned)
        | (?:not\ allowed|unauthori[sz]ed|blocked|forbidden|denied|whitelist)\ (?:from\ |for\ )?(?:this\ |your\ )?ip\b
        | unauthori[sz]ed | unauthenticated | not\ authori[sz]ed | authentication
        | access\ (?:is\ )?(?:denied|forbidden|restricted)
        | permission | ^\W*(?:denied|forbidden)\W*$"""
    ),
    compile_phrases(
        """
        неверный .. ключ*
        недействительный .. ключ*
        неправильный .. ключ*
        ключ .. не найден
        аккаунт .. заблокирован
        доступ запрещен
        geçersiz api
        api anahtarı .. geçersiz
        api anahtarı .. hatalı
        hesabınız .. askıya*
        hesabınız .. engellen*
        erişim .. reddedildi
        clave .. inválida
        clave .. incorrecta
        api .. no válida
        cuenta .. suspendida
        cuenta .. bloqueada
        acceso denegado
        chave .. inválida
        chave .. incorreta
        conta .. suspensa
        conta .. bloqueada
        acesso negado
        khóa api .. không hợp lệ
        api key không .. hợp lệ
        api key không .. đúng
        tài khoản .. bị khóa
        مفتاح .. غير صالح
        مفتاح .. غير صحيح
        مفتاح .. خاطئ
        الحساب .. موقوف
        حسابك .. موقوف
        """
    ),
)
_FUNDS: Final = (
    compile_english(
        r"""(?:not|n't)\ (?:\w+\ ){0,2}?(?:enough|sufficient)\ (?:\w+\ ){0,2}?(?:funds?|balance|money|credits?)
        | (?:insufficient|low|no|zero|negative|inadequate)\ (?:\w+\ ){0,2}?(?:funds?|balance|credits?|money)
        | (?:funds?|balance|credits?)(?:\ \w+){0,3}?\ (?:low|insufficient|enough|exhausted|empty|zero|exceeded|negative)
        | (?:exceed|more\ than|greater\ than|higher\ than|above|over|less\ than).{0,25}\b(?:funds|balance)\b
        | (?:add|deposit|top\ up|recharge|refill)\ (?:\w+\ ){0,3}?(?:funds?|balance|account|wallet)
        | out\ of\ (?:funds|balance|credit|money) | ^\W*insufficient\W*$"""
    ),
    compile_phrases(
        """
        недостаточно средств
        недостаточно денег
        недостаточно .. баланс*
        недостаточный баланс
        не хватает средств
        пополните .. баланс
        bakiye* .. yetersiz
        yetersiz bakiye
        bakiye* .. yeterli değil
        yeterli bakiye*
        saldo insuficiente
        saldo .. insuficiente
        fondos insuficientes
        fondos .. insuficientes
        no .. suficiente* .. fondos
        no .. suficiente* .. saldo
        no .. fondos suficientes
        no .. saldo suficiente
        sin saldo
        fundos insuficientes
        saldo .. não é suficiente
        não .. saldo suficiente
        sem saldo
        số dư .. không đủ
        không đủ .. số dư
        không đủ tiền
        hết tiền
        رصيد* .. غير كاف*
        الرصيد .. غير كاف*
        رصيد* .. لا يكفي
        الرصيد لا يكفي
        لا يوجد رصيد
        رصيد غير كاف*
        """
    ),
)
_REFUSAL: Final = (
    compile_english(
        r"""incorrect | invalid | not\ valid | not\ enough | insufficient
        | (?:bad|wrong|unknown|broken|malformed)\ \w+ | minim | maxim
        | (?:less|more|lower|higher|greater|smaller|fewer)\ than | required | missing | not\ exist | n't\ exist
        | no\ such
        | not\ found | disabled? | inactive | not\ active | suspended | not\ allowed | \bactive\ order
        | denied | not\ support | unsupported | not\ available | unavailable\ service | service\ (?:is\ )?unavailable
        | no\ longer
        | forbidden | prohibited | blacklist | banned | must\ (?:be|contain|start|begin|have|to\ be|not)
        | multiple\ of
        | too\ (?:low|high|small|large|short|long|big|few|many) | at\ (?:least|most) | \bexceeds\b | enter\ a
        | not\ on\ this\ platform
        | expected\ one\ of | works?\ (?:only\ )?(?:on|with|for) | only\ (?:accept|allow|support|work|for)
        | can\ ?not\ be\ (?:empty|blank|used|ordered)
        | can't\ be\ (?:empty|blank) | is\ private | \bprivate\ (?:account|profile|page)
        | (?:please\ )?(?:provide|specify|select|choose|enter)\ (?:a|an|the|your|valid|another)\b
        | out\ of\ stock | sold\ out | \b(?:min|max)\ (?:quantity|amount|order)
        | duplicate\ (?:link|url|username|comment|keyword)
        | \b(?:order|link|post)\ (?:is\ )?(?:already\ )?in\ progress\ (?:for|with|on)\ this
        | already\ (?:have|has)\ an?\ (?:active|open|pending)
        | \berrors?\ (?:link|url|quantity|service|service\ type|usernames?|comments|runs|interval|media|min|max)$
        | \bhas\ to\ be\b | should\ (?:be|not\ be)\b | (?:is|are)\ not\ (?:a|an)\b | not\ accept | unacceptable
        | \bclosed\b | \bdiscontinued"""
    ),
    compile_phrases(
        """
        неверн*
        некорректн*
        неправильн*
        недействительн*
        недопустим*
        минимальн*
        максимальн*
        не менее
        не более
        меньше минимума
        больше максимума
        количество должно
        не найден*
        не существует
        не активн*
        неактивн*
        отключен*
        недоступн*
        уже есть активный заказ
        есть .. активный заказ
        имеется .. активный заказ
        обязательн*
        geçersiz
        hatalı
        yanlış
        minimum
        maksimum
        en az
        en fazla
        bulunamadı
        mevcut değil
        aktif değil
        pasif
        devre dışı
        aktif .. sipariş* .. var
        aktif .. sipariş* .. bulun*
        aktif .. sipariş* .. mevcut
        devam eden .. sipariş* .. var
        zorunlu*
        no es válid*
        no válid*
        inválid*
        incorrect*
        mínim*
        máxim*
        cantidad .. debe*
        cantidad .. menor
        cantidad .. mayor
        no encontrad*
        no existe
        inactiv*
        no está activ*
        no está disponible
        no disponible
        desactivad*
        ya tiene* .. pedido .. activ*
        ya tiene* .. orden .. activ*
        ya existe .. pedido
        ya existe .. orden
        obligatori*
        não é válid*
        mínim*
        máxim*
        quantidade .. deve
        quantidade .. menor
        quantidade .. maior
        não encontrad*
        não existe
        inativ*
        não está ativ*
        indisponível
        não está disponível
        desativad*
        já existe .. pedido
        já possui .. pedido
        já tem .. pedido
        obrigatóri*
        không hợp lệ
        không đúng
        không chính xác
        tối thiểu
        tối đa
        ít nhất
        nhiều nhất
        nhỏ hơn
        lớn hơn
        không tồn tại
        không tìm thấy
        không hoạt động
        ngừng hoạt động
        đã tắt
        đã có .. đơn hàng
        đang có .. đơn hàng
        bắt buộc
        غير صالح*
        غير صحيح*
        خاطئ*
        الحد الأدنى
        الحد الأقصى
        أقل من
        أكبر من
        أكثر من
        غير موجود*
        غير متاح*
        غير متوفر*
        غير مفعل*
        غير نشط*
        معطل*
        لديك .. طلب .. نشط
        لديك .. طلب .. الرابط
        يوجد .. طلب .. الرابط
        مطلوب*
        """
    ),
)
# Wider than the words for ``meaning``: all that follows from these is that a refusal is not believed.
_PASSING: Final = compile_english(
    r"maintenance|temporar|unavailable|try\ again|api\ key|your\ account|busy|overload|key\ is|account\ is"
)
_PASSING_THINGS: Final = (RefusedThing.PROGRAM, RefusedThing.ACCESS, RefusedThing.PACE)
_OF_AN_ORDER: Final = compile_english(r"\brefill | \bcancel | \bguarantee | \bwarranty")


def meaning(text: str) -> Meaning:
    """Returns the meaning of an error text in place of an order.

    The order of the checks is the precedence: words of a failure or an acceptance outweigh all others, then words to
    wait, of our key, of our funds, and last those of a refusal.
    """
    words = fold(text)
    if any_matches(_BREAKDOWN, words) or any_matches(_TAKEN, words):
        return Meaning.FAULT
    if any_matches(_PUT_OFF, words):
        return Meaning.SERVICE_PUT_OFF if _ONE_SERVICE.search(words) else Meaning.PUT_OFF
    if any_matches(_KEY, words):
        return Meaning.KEY
    if any_matches(_FUNDS, words):
        return Meaning.FUNDS
    return _REFUSED[refused_thing(words)] if any_matches(_REFUSAL, words) else Meaning.UNKNOWN


def says_nothing_of_the_request(text: str) -> bool:
    """True if an error text is about the moment, our account or a program's fault, and not about what was requested."""
    words = fold(text)
    if any(any_matches(patterns, words) for patterns in (_BREAKDOWN, _PUT_OFF, _KEY, _FUNDS, (_PASSING,))):
        return True
    # Words that name what was requested refuse it, whatever else they name.
    return any_matches(_REFUSAL, words) and not _OF_AN_ORDER.search(words) and refused_thing(words) in _PASSING_THINGS
