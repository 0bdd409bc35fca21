"""The sentences Frontdesk itself speaks, in each language it ships, and the names other systems have for that language.

A business in another language is answered by the AI in that language; only these sentences fall back to English.
"""

import msgspec


class Phrases(msgspec.Struct, frozen=True, kw_only=True):
    """Sentences of one language. ``{name}`` stands for the business."""

    twilio_locale: str
    """``<Say language>`` (Twilio, *Text-to-Speech*)."""
    twilio_voice: str | None = None
    """``<Say voice>`` where Twilio's default voice does not speak the language."""
    greeting: str
    recorded: str
    """Said at the end of the greeting where calls are recorded."""
    apology: str
    """Spoken when the model is lost and the call goes to the fallback."""
    closing: str
    """Said to a caller who has said goodbye."""
    one_moment: str
    """Said while something takes longer than a moment."""
    still_there: str
    """Asked when the caller has been silent for a while."""
    nobody_there: str
    """Said before a call is ended in which nobody speaks, or nothing of the caller arrives."""
    goodbye: str
    """Said before a call is ended whose time is up; the bridge can say it without the model."""
    connecting: str
    """Said before a human is dialled because the AI cannot answer."""
    transferring: str
    """Said before a human is dialled because that is what was asked for."""
    nobody_answered: str
    """Said by the AI to a caller who comes back to it because no human took the call."""
    cut_off: str
    """Said first on a stream that carries a broken call on, where the AI has something to say next."""
    back_again: str
    """Said by the AI that carries an interrupted call on."""
    call_for_you: str
    """Said to the human who is dialled; ``{caller}`` stands for the caller's number."""
    press_one: str
    """Likewise, at the end."""
    busy: str
    """Said when the business has as many calls as it takes at a time; its fallback follows."""
    cannot_answer: str
    leave_message: str
    message_taken: str
    unknown_number: str


ENGLISH = Phrases(
    twilio_locale="en-US",
    greeting="Hello, this is {name}, how can I help you?",
    recorded="This call is recorded.",
    apology="I'm sorry, we are having a technical problem. One moment, please.",
    closing="Thank you for calling, goodbye.",
    one_moment="One moment, please.",
    still_there="Are you still there?",
    nobody_there="I can't hear you, so I'm ending the call. Please call again. Goodbye.",
    goodbye="Thank you for calling. I have to end our call now. Goodbye.",
    connecting="Our assistant can't take your call right now. One moment, I'm connecting you.",
    transferring="One moment, I'm connecting you.",
    nobody_answered="I'm sorry, nobody could take your call just now. How else can I help you?",
    cut_off="I'm sorry, we were cut off for a moment.",
    back_again="I'm sorry, we were cut off for a moment. Please go on.",
    call_for_you="A call for {name} from {caller}.",
    press_one="Press 1 to take the call.",
    busy="All our lines are busy right now.",
    cannot_answer="We're sorry, we can't take your call right now. Please call again later. Goodbye.",
    leave_message="We can't take your call right now. Please leave a message after the tone.",
    message_taken="Thank you, your message has been recorded. Goodbye.",
    unknown_number="Thank you for calling. This number is not in service yet. Please check the number and call again. Goodbye.",
)

PHRASES: dict[str, Phrases] = {
    "en": ENGLISH,
    "he": Phrases(
        twilio_locale="he-IL",
        twilio_voice="Google.he-IL-Standard-A",
        greeting="שלום, הגעתם אל {name}, איך אפשר לעזור?",
        recorded="השיחה מוקלטת.",
        apology="סליחה, יש לנו תקלה טכנית. רגע אחד, בבקשה.",
        closing="תודה שהתקשרתם, להתראות.",
        one_moment="רגע אחד, בבקשה.",
        still_there="אתם עדיין על הקו?",
        nobody_there="אני לא שומעת אתכם, אז אסיים את השיחה. אנא התקשרו שוב. להתראות.",
        goodbye="תודה שהתקשרתם. אנחנו נאלצים לסיים את השיחה כעת. להתראות.",
        connecting="העוזר שלנו אינו זמין כרגע. רגע אחד, אני מעביר אתכם.",
        transferring="רגע אחד, אני מעבירה אתכם.",
        nobody_answered="סליחה, אף אחד לא התפנה לשיחה כרגע. איך עוד אפשר לעזור?",
        cut_off="סליחה, השיחה נקטעה לרגע.",
        back_again="סליחה, השיחה נקטעה לרגע. אנא המשיכו.",
        call_for_you="שיחה אל {name} מאת {caller}.",
        press_one="הקישו 1 כדי לקבל את השיחה.",
        busy="כל הקווים שלנו תפוסים כרגע.",
        cannot_answer="מצטערים, איננו יכולים לענות כרגע. נסו שוב מאוחר יותר. להתראות.",
        leave_message="איננו יכולים לענות כרגע. אנא השאירו הודעה אחרי הצפצוף.",
        message_taken="תודה, ההודעה נשמרה. להתראות.",
        unknown_number="תודה שהתקשרתם. המספר הזה עדיין אינו פעיל. בדקו את המספר ונסו שוב. להתראות.",
    ),
    "es": Phrases(
        twilio_locale="es-US",
        greeting="Hola, le atiende {name}, ¿en qué puedo ayudarle?",
        recorded="Esta llamada se graba.",
        apology="Lo siento, tenemos un problema técnico. Un momento, por favor.",
        closing="Gracias por llamar, adiós.",
        one_moment="Un momento, por favor.",
        still_there="¿Sigue usted ahí?",
        nobody_there="No le oigo, así que voy a colgar. Por favor, llame de nuevo. Adiós.",
        goodbye="Gracias por llamar. Tengo que terminar la llamada ahora. Adiós.",
        connecting="Nuestro asistente no puede atenderle ahora. Un momento, le paso.",
        transferring="Un momento, le paso.",
        nobody_answered="Lo siento, nadie ha podido atenderle ahora. ¿En qué más puedo ayudarle?",
        cut_off="Perdone, se cortó un momento.",
        back_again="Perdone, se cortó un momento. Continúe, por favor.",
        call_for_you="Una llamada para {name} de {caller}.",
        press_one="Pulse 1 para aceptar la llamada.",
        busy="En este momento todas nuestras líneas están ocupadas.",
        cannot_answer="Lo sentimos, ahora no podemos atender su llamada. Por favor, llame más tarde. Adiós.",
        leave_message="Ahora no podemos atender su llamada. Por favor, deje un mensaje después de la señal.",
        message_taken="Gracias, su mensaje ha sido grabado. Adiós.",
        unknown_number="Gracias por llamar. Este número aún no está en servicio. Compruebe el número y llame de nuevo. Adiós.",
    ),
    "fr": Phrases(
        twilio_locale="fr-FR",
        greeting="Bonjour, vous êtes chez {name}, comment puis-je vous aider ?",
        recorded="Cet appel est enregistré.",
        apology="Je suis désolé, nous avons un problème technique. Un instant, s'il vous plaît.",
        closing="Merci de votre appel, au revoir.",
        one_moment="Un instant, s'il vous plaît.",
        still_there="Vous êtes toujours là ?",
        nobody_there="Je ne vous entends pas, je vais donc raccrocher. Rappelez-nous. Au revoir.",
        goodbye="Merci de votre appel. Je dois y mettre fin maintenant. Au revoir.",
        connecting="Notre assistant ne peut pas vous répondre pour le moment. Un instant, je vous mets en relation.",
        transferring="Un instant, je vous mets en relation.",
        nobody_answered="Je suis désolée, personne n'a pu prendre votre appel. Comment puis-je encore vous aider ?",
        cut_off="Pardon, nous avons été coupés un instant.",
        back_again="Pardon, nous avons été coupés un instant. Continuez, je vous prie.",
        call_for_you="Un appel pour {name} de {caller}.",
        press_one="Appuyez sur 1 pour prendre l'appel.",
        busy="Toutes nos lignes sont occupées pour le moment.",
        cannot_answer="Nous sommes désolés, nous ne pouvons pas vous répondre pour le moment. Rappelez plus tard. Au revoir.",
        leave_message="Nous ne pouvons pas vous répondre pour le moment. Laissez un message après le bip.",
        message_taken="Merci, votre message a été enregistré. Au revoir.",
        unknown_number="Merci de votre appel. Ce numéro n'est pas encore en service. Vérifiez le numéro et rappelez. Au revoir.",
    ),
    "ar": Phrases(
        twilio_locale="arb",
        twilio_voice="Polly.Zeina",
        greeting="مرحبا، معكم {name}، كيف يمكنني مساعدتكم؟",
        recorded="هذه المكالمة مسجلة.",
        apology="عذرا، لدينا مشكلة فنية. لحظة من فضلكم.",
        closing="شكرا لاتصالكم، مع السلامة.",
        one_moment="لحظة من فضلكم.",
        still_there="هل ما زلتم على الخط؟",
        nobody_there="لا أسمعكم، لذلك سأنهي المكالمة. يرجى الاتصال مرة أخرى. مع السلامة.",
        goodbye="شكرا لاتصالكم. علي إنهاء المكالمة الآن. مع السلامة.",
        connecting="مساعدنا غير متاح الآن. لحظة من فضلكم، سأحولكم.",
        transferring="لحظة من فضلكم، سأحولكم.",
        nobody_answered="عذرا، لم يتمكن أحد من الرد الآن. كيف يمكنني مساعدتكم؟",
        cut_off="عذرا، انقطع الاتصال للحظة.",
        back_again="عذرا، انقطع الاتصال للحظة. تفضلوا بالمتابعة.",
        call_for_you="مكالمة إلى {name} من {caller}.",
        press_one="اضغط 1 لقبول المكالمة.",
        busy="جميع خطوطنا مشغولة الآن.",
        cannot_answer="نعتذر، لا يمكننا الرد على مكالمتكم الآن. يرجى الاتصال لاحقا. مع السلامة.",
        leave_message="لا يمكننا الرد على مكالمتكم الآن. يرجى ترك رسالة بعد الصافرة.",
        message_taken="شكرا، تم تسجيل رسالتكم. مع السلامة.",
        unknown_number="شكرا لاتصالكم. هذا الرقم غير مفعل بعد. يرجى التحقق من الرقم والاتصال مرة أخرى. مع السلامة.",
    ),
    "ru": Phrases(
        twilio_locale="ru-RU",
        greeting="Здравствуйте, это {name}, чем могу помочь?",
        recorded="Разговор записывается.",
        apology="Извините, у нас технические неполадки. Одну минуту, пожалуйста.",
        closing="Спасибо за звонок, до свидания.",
        one_moment="Одну минуту, пожалуйста.",
        still_there="Вы ещё на линии?",
        nobody_there="Я вас не слышу и завершаю звонок. Пожалуйста, перезвоните. До свидания.",
        goodbye="Спасибо за звонок. Мне нужно завершить разговор. До свидания.",
        connecting="Наш помощник сейчас не может ответить. Одну минуту, я вас соединяю.",
        transferring="Одну минуту, я вас соединяю.",
        nobody_answered="Извините, сейчас никто не смог ответить. Чем ещё я могу помочь?",
        cut_off="Извините, связь ненадолго прервалась.",
        back_again="Извините, связь ненадолго прервалась. Продолжайте, пожалуйста.",
        call_for_you="Звонок для {name} от {caller}.",
        press_one="Нажмите 1, чтобы принять звонок.",
        busy="Сейчас все наши линии заняты.",
        cannot_answer="Извините, сейчас мы не можем ответить. Пожалуйста, перезвоните позже. До свидания.",
        leave_message="Сейчас мы не можем ответить. Пожалуйста, оставьте сообщение после сигнала.",
        message_taken="Спасибо, ваше сообщение записано. До свидания.",
        unknown_number="Спасибо за звонок. Этот номер пока не обслуживается. Проверьте номер и перезвоните. До свидания.",
    ),
}


def phrases_of(language: str) -> Phrases:
    """The sentences of ``language`` (ISO-639-1), English where none are shipped."""
    return PHRASES.get(language, ENGLISH)
