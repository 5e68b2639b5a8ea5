"""Settings to what each role asks for: the one place where the parts' configurations are filled in."""

from typing import TYPE_CHECKING

from waldstream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from console.app import ConsoleConfig
    from console.projector import ProjectorConfig
    from exporter.service import ExporterConfig
    from processors.worker import WorkerConfig
    from producers.runner import RunnerConfig
    from producers.webhooks import WebhookConfig
    from schemas.registry import Registry


class Wiring:
    """The roles' configurations under one set of settings; each imports its role only when asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._kafka = settings.kafka()
        self._topics = settings.topics()

    def worker(self) -> "WorkerConfig":
        """Return the configuration of a worker."""
        from processors.worker import WorkerConfig

        given = self.settings
        return WorkerConfig(
            kafka=self._kafka,
            topics=self._topics,
            partitions=given.partitions,
            app_id=given.app_id,
            instance_id=given.worker_instance_id,
            metrics_host=given.metrics_host,
            metrics_port=given.worker_metrics_port,
            registry=self.registry(),
            command_rate=given.command_rate,
        )

    def runner(self) -> "RunnerConfig":
        """Return the configuration of a runner."""
        from producers.runner import RunnerConfig

        given = self.settings
        return RunnerConfig(
            kafka=self._kafka,
            topics=self._topics,
            files=given.files,
            group=f"{given.app_id}-runner",
            metrics_host=given.metrics_host,
            metrics_port=given.runner_metrics_port,
            webhook=self._webhook(),
        )

    def registry(self) -> "Registry | None":
        """Return the client of the schema registry, None if none is configured."""
        from schemas.registry import Registry

        url = self.settings.schema_registry_url
        try:
            return None if url is None else Registry(url.get_secret_value())
        except ValueError as error:
            raise SettingsError(f"schema_registry_url: {error}") from error

    def _webhook(self) -> "WebhookConfig | None":
        from producers.webhooks import WebhookConfig, WebhookError

        given = self.settings
        if given.webhook_url is None:
            return None
        secret = "" if given.webhook_secret is None else given.webhook_secret.get_secret_value()
        try:
            return WebhookConfig(given.webhook_url, secret, given.webhook_allowed_hosts, given.webhook_events)
        except WebhookError as error:
            raise SettingsError(f"settings of the webhook: {error}") from error

    def projector(self) -> "ProjectorConfig":
        """Return the configuration of a projector."""
        from console.projector import ProjectorConfig

        given = self.settings
        return ProjectorConfig(
            kafka=self._kafka,
            topics=self._topics,
            redis_url=given.redis_url.get_secret_value(),
            group=f"{given.app_id}-projector",
            metrics_host=given.metrics_host,
            metrics_port=given.projector_metrics_port,
        )

    def exporter(self) -> "ExporterConfig":
        """Return the configuration of an exporter."""
        from exporter.reporter import ReportPlan
        from exporter.service import ExporterConfig

        given = self.settings
        plan = None
        if given.report_cron is not None:
            places = (given.report_period, given.report_timezone, given.reports, given.paper)
            plan = ReportPlan(given.report_cron, *places)
        return ExporterConfig(
            kafka=self._kafka,
            topics=self._topics,
            partitions=given.partitions,
            archives=given.archives,
            group=f"{given.app_id}-exporter",
            paper=given.paper,
            plan=plan,
            metrics_host=given.metrics_host,
            metrics_port=given.exporter_metrics_port,
            registry=self.registry(),
        )

    def console(self) -> "ConsoleConfig":
        """Return the configuration of a console."""
        from console.app import ConsoleConfig

        given = self.settings
        return ConsoleConfig(
            kafka=self._kafka,
            topics=self._topics,
            partitions=given.partitions,
            redis_url=given.redis_url.get_secret_value(),
            archives=given.archives,
            host=given.console_host,
            port=given.console_port,
            token=None if given.console_token is None else given.console_token.get_secret_value(),
            viewer_token=None if given.console_viewer_token is None else given.console_viewer_token.get_secret_value(),
            allowed_hosts=given.console_allowed_hosts,
            metrics_host=given.metrics_host,
            metrics_port=given.console_metrics_port,
        )
