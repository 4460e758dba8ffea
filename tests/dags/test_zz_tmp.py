import sys; sys.path.insert(0,"/work/main/tests/dags")
from test_dag_runs import *
def test_rl(pipeline, simulator, capfd):
    import time
    simulator.faults.add("rate_limited", platform="twitter", path_contains="/tweets", times=1)
    t=time.time()
    e=pipeline.run("extract_twitter"); out="".join(capfd.readouterr())
    print(e, time.time()-t)
    print([l for l in out.splitlines() if "escheduling" in l or "Exception" in l or "allowed" in l])
    print(pipeline.rows("select stream,state,gate,error_class,error_message,next_allowed_at,retries,calls from ops.extract_runs"))
    print(pipeline.rows("select * from ops.rate_budgets"))
    assert 0
