from ggl.iotcored.owner import TIMED_OUT
from ggl.iotcored.subscriptions import PER_LINE, Subscriber, Subscriptions, widest

NOT_AUTHORIZED = 0x87


class Broker:
    """The lines, all of them up, and what was asked for on them."""

    def __init__(self) -> None:
        self.table = Subscriptions(self)
        self.down: set[int] = set()
        self.asked: list[tuple[int, list[tuple[str, int]]]] = []
        self.ended: list[tuple[int, list[str]]] = []
        self.wanted: set[int] = set()
        self.retries = 0

    def line_is_up(self, index: int) -> bool:
        return index not in self.down

    def line_subscribe(self, index: int, filters: list[tuple[str, int]]) -> None:
        self.asked.append((index, filters))

    def line_unsubscribe(self, index: int, filters: list[str]) -> None:
        self.ended.append((index, filters))

    def lines_wanted(self, indexes: set[int]) -> None:
        self.wanted = indexes

    def retry_refused(self) -> None:
        self.retries += 1

    # -- for the tests

    def grant(self, code: int = 1) -> list[str]:
        """Answer everything; returns the filters that were asked for."""
        asked, self.asked = self.asked, []
        for _index, filters in asked:
            self.table.answered(filters, [code] * len(filters), "")
        return [each for _index, filters in asked for each, _qos in filters]

    def unsubscribed(self) -> list[str]:
        ended, self.ended = self.ended, []
        return [each for _index, filters in ended for each in filters]


class Client(Subscriber):
    def __init__(self, broker: Broker, *filters: str, qos: int = 1, virtual: bool = False) -> None:
        super().__init__(filters, qos, self, self.on_ready, self.on_refused, virtual)
        self.told: list[object] = []
        broker.table.add(self)

    def on_ready(self) -> None:
        self.told.append("ready")

    def on_refused(self, topic_filter: str, code: int, _text: str) -> None:
        self.told.append((topic_filter, code))


def test_widest_filters_have_the_highest_qos_of_what_they_cover() -> None:
    assert widest({"a/#": 0, "a/b": 1, "c": 0, "+/c": 0}) == {"a/#": 1, "c": 0, "+/c": 0}


def test_the_broker_is_asked_once_for_many() -> None:
    broker = Broker()
    first, second = Client(broker, "a/#"), Client(broker, "a/#")
    assert (first.told, second.told) == ([], [])
    assert broker.grant() == ["a/#"]
    third = Client(broker, "a/b")
    assert [each.told for each in (first, second, third)] == [["ready"]] * 3
    assert broker.asked == []
    assert broker.table.sinks("a/b", 0) == (first, second, third)
    assert broker.table.sinks("a", 0) == (first, second)


def test_each_gets_a_message_once_whatever_filters_it_has() -> None:
    broker = Broker()
    client = Client(broker, "a/+", "+/b", "a/b", "#")
    broker.grant()
    assert broker.table.sinks("a/b", 0) == (client,)


def test_a_wider_filter_takes_over_before_the_narrower_ones_go() -> None:
    broker = Broker()
    for each in ("a/b", "a/c"):
        Client(broker, each)
    broker.grant()
    wide = Client(broker, "a/#")
    assert broker.unsubscribed() == []
    assert broker.grant() == ["a/#"]
    assert broker.unsubscribed() == ["a/b", "a/c"]
    broker.table.remove(wide)
    assert broker.unsubscribed() == []
    assert broker.grant() == ["a/b", "a/c"]
    assert broker.unsubscribed() == ["a/#"]


def test_the_last_one_to_leave_ends_the_subscription() -> None:
    broker = Broker()
    first, second = Client(broker, "a"), Client(broker, "a")
    broker.grant()
    broker.table.remove(first)
    assert broker.unsubscribed() == []
    broker.table.remove(second)
    broker.table.remove(second)
    assert broker.unsubscribed() == ["a"]
    assert broker.table.sinks("a", 0) == ()


def test_a_refusal_is_told_to_who_asked_and_others_keep_what_they_have() -> None:
    broker = Broker()
    narrow = Client(broker, "a/b")
    broker.grant()
    wide, waiting = Client(broker, "a/#"), Client(broker, "a/c")
    assert broker.grant(NOT_AUTHORIZED) == ["a/#"]
    assert wide.told == [("a/#", NOT_AUTHORIZED)]
    assert broker.unsubscribed() == []
    assert broker.grant() == ["a/c"]
    assert (narrow.told, waiting.told) == (["ready"], ["ready"])
    assert broker.table.sinks("a/b", 0) == (narrow,)


def test_a_higher_qos_is_asked_for() -> None:
    broker = Broker()
    Client(broker, "a", qos=0)
    broker.grant()
    later = Client(broker, "a", qos=1)
    assert later.told == []
    assert broker.asked == [(0, [("a", 1)])]


def test_after_a_loss_everything_is_subscribed_to_again_unless_the_broker_remembers() -> None:
    broker = Broker()
    client = Client(broker, "a", "b")
    broker.grant()
    for remembers, again in ((True, []), (False, ["a", "b"])):
        broker.down.add(0)
        broker.table.line_down(0)
        late = Client(broker, "a")
        assert late.told == []
        broker.down.clear()
        broker.table.line_up(0, remembers)
        assert broker.grant() == again
        assert late.told == ["ready"]
    assert client.told == ["ready"]


def test_an_established_subscription_that_is_refused_is_tried_again_later() -> None:
    broker = Broker()
    client = Client(broker, "a/#")
    broker.grant()
    broker.table.line_up(0, session_present=False)
    broker.grant(TIMED_OUT)
    assert (broker.retries, broker.asked, client.told) == (1, [], ["ready"])
    broker.table.try_refused()
    assert broker.grant() == ["a/#"]


def test_an_answer_to_a_part_of_what_was_asked_is_none_to_the_rest() -> None:
    broker = Broker()
    client = Client(broker, "a", "b")
    broker.table.answered(broker.asked.pop()[1], [1], "")
    assert client.told == [("b", TIMED_OUT)]


def test_unsubscribing_while_there_is_no_connection() -> None:
    for remembers, expected in ((True, ["a"]), (False, [])):
        broker = Broker()
        client = Client(broker, "a")
        broker.grant()
        broker.down.add(0)
        broker.table.line_down(0)
        broker.table.remove(client)
        assert broker.unsubscribed() == []
        broker.down.clear()
        broker.table.line_up(0, remembers)
        assert broker.unsubscribed() == expected
        assert len(broker.table) == 0


def test_more_than_a_connection_takes_go_to_the_next_one_which_goes_when_it_is_empty() -> None:
    broker = Broker()
    clients = [Client(broker, f"t/{number}") for number in range(PER_LINE + 2)]
    assert {index for index, _filters in broker.asked} == {0, 1}
    broker.grant()
    assert broker.wanted == {0, 1}
    # Who has subscribed on another line gets what comes over that; an answer to a question goes to all.
    assert broker.table.sinks("t/51", 1) == (clients[51],)
    both = Client(broker, "t/51", "t/0")
    assert broker.table.sinks("t/0", 0) == (clients[0], both)
    assert broker.table.sinks("t/0", 1) == (clients[0], both)
    broker.table.remove(both)
    for client in clients[PER_LINE:]:
        broker.table.remove(client)
    assert broker.wanted == {0}


def test_a_virtual_subscription_asks_for_nothing() -> None:
    broker = Broker()
    client = Client(broker, "$aws/things/T/jobs/+/get/accepted", virtual=True)
    assert (client.told, broker.asked) == (["ready"], [])
    assert broker.table.sinks("$aws/things/T/jobs/x/get/accepted", 3) == (client,)


def test_shared_subscriptions_get_what_is_for_their_filter() -> None:
    broker = Broker()
    client = Client(broker, "$share/g/a/+")
    assert broker.grant() == ["$share/g/a/+"]
    assert broker.table.sinks("a/b", 0) == (client,)
