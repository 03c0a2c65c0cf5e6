# An image of the panel: docker build --tag opensmm .
# Not built where this was written: there was no Docker daemon. Its steps were run by hand.
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/opensmm
COPY requirements.txt ./
RUN /opt/opensmm/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/opensmm/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
# PostgreSQL needs a user with a name, and refuses to run as root.
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin opensmm \
    && install -d -o opensmm -g opensmm -m 0700 /data
COPY --from=build /opt/opensmm /opt/opensmm
ENV PATH=/opt/opensmm/bin:$PATH OPENSMM_DATA=/data
USER opensmm
WORKDIR /data
VOLUME /data
EXPOSE 8765
HEALTHCHECK --interval=10s --start-period=2m \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8765/healthz', timeout=5)"]
ENTRYPOINT ["opensmm"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8765"]
