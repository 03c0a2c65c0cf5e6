"""Classifies what the words of a refusal are about, in seven languages.

*Invalid*, *not found* and *at least* refuse an order only if they speak of the order. Programs use the same words for
our key, our money and our request rate, and for their own answers and databases after they bought.
"""

from enum import StrEnum
from typing import Final

from opensmm.domain.phrases import any_matches, compile_english, compile_phrases


class RefusedThing(StrEnum):
    """``PROGRAM``: the provider's own program.

    ``MONEY``, ``ACCESS``: our balance, key or account. ``PACE``: how often or when we send requests. ``ORDER``: the
    order. ``UNNAMED``: none of these is named.
    """

    PROGRAM = "program"
    MONEY = "money"
    ACCESS = "access"
    PACE = "pace"
    ORDER = "order"
    UNNAMED = "unnamed"


_PRIVATE: Final = (compile_english(r"is\ private | \bprivate\ (?:account|profile|page)"),)
"""The account that was ordered for is private."""
_PROGRAM: Final = (
    compile_english(
        r"""\bresponse | \b(?:invalid|bad|empty|wrong|no|parse)\ (?:\w+\ )?(?:reply|answer)\b(?!\ number) | \breplied
        | \bjson\b | \bxml\b | \bpars(?:e|er|ing)\b | \bbackend | \bsmtp\b | \bmailer
        | \be-?mails?\b(?!\W*(?:verif|confirm)) | \bliteral\b | \boffset\b | \bproperty\b | \boperand
        | \bconversion\b | \b(?:type|value|key|name|attribute|runtime|index)\ ?error\b | \baborted\b
        | \bnetwork\ (?:error|issue|problem|failure) | \brecipient | \bnotification | \btemplate\b
        | ^\W*service\ unavailable\W*$"""
    ),
    compile_phrases(
        """
        формат ответа
        неверный ответ
        некорректный ответ
        пустой ответ
        баз* данных
        соединени*
        подключени*
        yanıt*
        veritabanı*
        bağlantı hata*
        respuesta no válida
        respuesta inválida
        respuesta vacía
        conexión
        base de datos
        resposta inválida
        resposta vazia
        conexão
        banco de dados
        phản hồi không
        kết nối
        cơ sở dữ liệu
        استجاب*
        الاتصال
        قاعدة البيانات
        """
    ),
)
_MONEY: Final = (
    compile_english(
        r"\bbalance | \bfunds?\b | \bwallet | \bdeposit | \bcredits?\b | \bspending | \bmoney\b | \bpayment"
    ),
    compile_phrases(
        """
        баланс*
        средств*
        bakiye*
        saldo*
        fondos
        fundos
        dinero
        dinheiro
        crédito*
        số dư
        رصيد*
        الرصيد
        المال
        """
    ),
)
_ACCESS: Final = (
    compile_english(
        r"""\bapi\b(?!\W*(?:manual|doc)) | \bapikey\b | \bkey\b(?!\W?words?\b) | \btoken\b | \bcredential
        | \blog ?in\b | \bsignature | \bpassword | \bip\b | \byour\ (?:account|user|plan)\b | \binvalid\ plan\b
        | \b(?:e-?mail|phone)\b.{0,20}\bverif | \bsubscription\ expired
        | \breseller\b | \bmerchant\b"""
    ),
    compile_phrases(
        """
        ключ
        ключа
        ваш* аккаунт*
        токен*
        hesabınız*
        anahtarı
        anahtarınız
        su cuenta
        tu cuenta
        sua conta
        clave api
        chave api
        chave de api
        khóa api
        tài khoản của bạn
        مفتاح
        المفتاح
        حسابك
        """
    ),
)
_PACE: Final = (
    compile_english(
        r"""\bwait\b.{0,25}\b(?:[0-9]+|seconds?|minutes?|hours?|moment|while)\b
        | \b(?:number|amount|max\w*|limit|many|exceed\w*|than\ [0-9]+)\b.{0,20}\b(?:requests|calls)\b
        | \brequest\ (?:limit|quota|rate) | \bbusy\b | \boverload
        | \b(?:site|website|panel|system)\b.{0,20}\b(?:closed|disabled|offline|down|stopped|paused|suspended)\b
        | \borders\ (?:are|have\ been)\ (?:not\ accepted|closed|disabled|stopped|paused|suspended)"""
    ),
    compile_phrases(
        """
        подожди*
        запросов
        bekleyin*
        istek sayı*
        istek sınır*
        espere
        solicitudes
        peticiones
        aguarde
        requisições
        solicitações
        đợi
        số yêu cầu
        الانتظار
        تجاوز* .. للطلبات
        تجاوز* .. الطلبات
        """
    ),
)
_TARGET: Final = (
    compile_english(
        r"""\blinks?\b | \burls?\b | \bquantit | \bposts?\b | \bvideos?\b | \bprofiles?\b | \bcomments?\b
        | \buser ?names?\b(?!\ or\ pass) | \bpublic\b | \bprivate\b
        | \bfollowers?\b | \bsubscribers?\b | \blikes?\b | \bviews?\b"""
    ),
    compile_phrases(
        """
        ссылк*
        количеств*
        bağlantı*
        miktar*
        enlace*
        cantidad*
        quantidade*
        liên kết
        số lượng
        رابط*
        الرابط
        الكمية
        """
    ),
)
"""Words for what was ordered, used in no text about us. A text with both kinds is no certain refusal."""
_ORDER: Final = (
    compile_english(
        r"""\blinks?\b | \burls?\b | \baddress\b | \bpages?\b | \bposts?\b | \bphotos?\b | \bvideos?\b | \breels?\b
        | \bstor(?:y|ies)\b | \bprofiles?\b | \bchannels?\b | \bgroups?\b | \bmedia\b | \bplatform\b | \bformat\b
        | \buser ?names?\b(?!\ or\ pass) | \bhash ?tags?\b | \bkeywords?\b | \bcomments?\b | \bpoll\b | \banswer\ number
        | \bquantit | \bqty\b | \bamount\b | \bmin(?:im\w*)?\b | \bmax(?:im\w*)?\b | \bmultiple\ of | \bstock\b
        | \bsold\ out | \bservices?\b | \bcategory\b | \btype\b | \borders?\b | \bruns?\b | \bintervals?\b
        | \bdrip\ ?feed | \bexpiry\b | \bdelay\b | \bcountry\b | \bdevice\b | \btraffic\b | \bparam(?:eter)?s?\b
        | \bfields?\b | \baction\b | (?:incorrect|invalid|malformed)\ request\b | \bblacklist | \bcontent\b
        | \binstagram | \bfacebook | \btik ?tok | \byou ?tube | \btelegram | \btwitter | \bmust\ start | https?:
        | (?:less|more|lower|higher|greater|smaller|fewer)\ than\ \W*[0-9] | at\ (?:least|most)\ \W*[0-9]"""
    ),
    compile_phrases(
        """
        ссылк*
        количеств*
        минимальн*
        максимальн*
        услуг*
        сервис*
        заказ*
        пост*
        публикаци*
        профил*
        страниц*
        канал*
        комментар*
        поле
        поля
        параметр*
        ключевые слова
        вариант ответа
        bağlantı*
        miktar*
        adet*
        minimum
        maksimum
        servis*
        hizmet*
        sipariş*
        gönderi*
        profil*
        sayfa*
        yorum*
        parametre*
        anahtar kelime*
        enlace*
        cantidad*
        mínim*
        máxim*
        servicio*
        pedido*
        orden*
        publicación*
        perfil*
        página*
        comentario*
        campo*
        parámetro*
        palabras clave
        quantidade*
        serviço*
        publicação*
        comentário*
        parâmetro*
        palavras chave
        liên kết
        đường dẫn
        số lượng
        tối thiểu
        tối đa
        dịch vụ
        đơn hàng
        bài viết
        bình luận
        tham số
        từ khóa
        رابط*
        الرابط
        كمية
        الكمية
        للكمية
        الحد الأدنى
        الحد الأقصى
        خدمة
        الخدمة
        طلب*
        الطلب
        المنشور
        الصفحة
        التعليق*
        الحقل
        كلمات مفتاحية
        """
    ),
)


def refused_thing(words: str) -> RefusedThing:
    """Returns what folded words of refusal are about.

    The order is checked last: a text that also names something else does not refuse the order.
    """
    if any_matches(_PRIVATE, words):
        return RefusedThing.ORDER
    things = (
        (_PROGRAM, RefusedThing.PROGRAM),
        (_MONEY, RefusedThing.MONEY),
        (_ACCESS, RefusedThing.ACCESS),
        (_PACE, RefusedThing.PACE),
    )
    first = next((one for patterns, one in things if any_matches(patterns, words)), None)
    if first in (RefusedThing.MONEY, RefusedThing.ACCESS) and any_matches(_TARGET, words):
        return RefusedThing.UNNAMED
    return first or (RefusedThing.ORDER if any_matches(_ORDER, words) else RefusedThing.UNNAMED)
