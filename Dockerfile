# syntax=docker/dockerfile:1
# One image for every role: `docker run waldstream worker`. Kafka and Redis are other containers or your own.

FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/waldstream \
 && /opt/waldstream/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM python:3.12-slim-bookworm
COPY --from=build /opt/waldstream /opt/waldstream
# The folders exist and are ours, so that fresh volumes on them are ours too.
RUN useradd --system --uid 10001 --home-dir /var/lib/waldstream --shell /usr/sbin/nologin waldstream \
 && install --directory --owner=waldstream --group=waldstream \
      /var/lib/waldstream /var/lib/waldstream/archives /var/lib/waldstream/files
ENV PATH=/opt/waldstream/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    WALDSTREAM_LOG_FORMAT=json \
    WALDSTREAM_ARCHIVES=/var/lib/waldstream/archives \
    WALDSTREAM_FILES=/var/lib/waldstream/files
USER waldstream
WORKDIR /var/lib/waldstream
ENTRYPOINT ["waldstream"]
CMD ["--help"]
