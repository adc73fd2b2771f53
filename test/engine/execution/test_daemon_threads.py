"""Jobs of daemon threads."""

from pose_estimation_ros.engine.execution.daemon_threads import DaemonThreads


def test_a_job_may_close_its_own_executor() -> None:
    """As where a pipeline is dropped while its detector still looks at the last frame."""
    executor = DaemonThreads(2, "closing")
    executor.submit(lambda: executor.close(wait_s=5)).result(timeout=10)
