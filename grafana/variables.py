"""The controls above a dashboard: datasources, targets, which experiments, which walks, where the console is."""

from grafana import infinity
from grafana.promql import CHOSEN, gauge
from grafana.sdk import builders, dashboard
from grafana.style import INFINITY, PROMETHEUS

PROMETHEUS_UID = "waldstream-prometheus"
INFINITY_UID = "waldstream-console"
#: Where the console is for the browser that follows a link, unless the variable says otherwise.
CONSOLE = "http://127.0.0.1:8080"

_ROLES = 'job=~"waldstream-.+"'
_CHOSEN_ROLES = 'job=~"$job"'
_OWNER = 'owner=~"$owner"'
_TAG = 'tags=~"(.*,)?($tag)(,.*)?"'


def datasource() -> builders.DatasourceVariable:
    """Which Prometheus."""
    return (
        builders.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes the roles.")
        .type("prometheus")
        .current(dashboard.VariableOption(text="waldstream Prometheus", value=PROMETHEUS_UID))
    )


def console_source() -> builders.DatasourceVariable:
    """Which Infinity datasource speaks to the console."""
    return (
        builders.DatasourceVariable("infinity")
        .label("Console data source")
        .description("The Infinity datasource that speaks to the console's API.")
        .type(infinity.PLUGIN)
        .current(dashboard.VariableOption(text="waldstream console", value=INFINITY_UID))
    )


def job() -> builders.QueryVariable:
    """Which roles."""
    return (
        _of_prometheus("job", f"label_values({gauge('up', _ROLES)}, job)")
        .label("Job")
        .description("The roles: waldstream-worker, waldstream-exporter and so on.")
        .all_value(".+")
    )


def instance() -> builders.QueryVariable:
    """Which processes."""
    return (
        _of_prometheus("instance", f"label_values({gauge('up', _CHOSEN_ROLES)}, instance)")
        .label("Instance")
        .description("The processes of the chosen roles.")
        .all_value(".+")
    )


def owner() -> builders.QueryVariable:
    """Whose experiments."""
    return (
        _of_prometheus("owner", f"label_values({gauge('sprt_experiment_info', *CHOSEN)}, owner)")
        .label("Owner")
        .description("Whose experiments are offered.")
        .all_value(".*")
    )


def tag() -> builders.TextBoxVariable:
    """Which tag; a text, since Prometheus holds all tags of an experiment in one label."""
    return (
        builders.TextBoxVariable("tag")
        .label("Tag")
        .description("A tag, or a regular expression over one; .* takes every experiment.")
        .default_value(".*")
    )


def experiment() -> builders.QueryVariable:
    """Which experiments, one or many."""
    chosen = gauge("sprt_experiment_info", *CHOSEN, _OWNER, _TAG)
    return (
        _of_prometheus("experiment", f"label_values({chosen}, experiment_id)")
        .label("Experiment")
        .description("Experiments that were active in the time shown, of the chosen owner and tag.")
    )


def walk() -> builders.QueryVariable:
    """Which runs of the chosen experiments, for the charts against n."""
    among = '$contains(",${experiment:csv},", "," & experiment_id & ",")'
    item = '{"__text": experiment_id & " run " & $string(run), "__value": experiment_id & "/runs/" & $string(run)}'
    asked = infinity.Query(
        path="/api/v1/experiments?sort=newest&limit=1000",
        root=f"items[run > 0 and {among}].{item}",
        ref_id="variable",
    )
    return (
        builders.QueryVariable("walk")
        .label("Walk")
        .description("Runs of the chosen experiments, newest first; those that have ended too.")
        .datasource(INFINITY)
        .query({"queryType": "infinity", "refId": "variable", "query": "", "infinityQuery": asked.to_json()})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.DISABLED)
        .multi(True)
    )


def console() -> builders.TextBoxVariable:
    """Where links to the console go."""
    return (
        builders.TextBoxVariable("console")
        .label("Console")
        .description("Address of the console, for links.")
        .default_value(CONSOLE)
        .current(dashboard.VariableOption(text=CONSOLE, value=CONSOLE))
    )


def _of_prometheus(name: str, asked: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .datasource(PROMETHEUS)
        .query(asked)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(dashboard.VariableOption(text="All", value="$__all"))
    )
