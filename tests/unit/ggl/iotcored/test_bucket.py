from ggl.iotcored.bucket import Bucket


def test_a_second_is_there_at_once_and_then_as_much_as_comes_in() -> None:
    bucket = Bucket(100, 0.0)
    for _ in range(100):
        assert bucket.wait(1, 0.0) == 0
        bucket.take(1)
    assert bucket.wait(1, 0.0) == 0.01
    assert bucket.wait(1, 0.02) == 0
    bucket.take(1)
    assert bucket.wait(50, 0.02) > 0.48


def test_time_without_use_is_not_saved_up() -> None:
    bucket = Bucket(10, 0.0)
    assert bucket.wait(10, 1000.0) == 0
    bucket.take(10)
    assert bucket.wait(1, 1000.0) > 0


def test_what_is_larger_than_the_bucket_needs_all_of_it() -> None:
    bucket = Bucket(10, 0.0)
    assert bucket.wait(100, 0.0) == 0
    bucket.take(100)
    assert bucket.wait(1, 0.0) == 9.1
