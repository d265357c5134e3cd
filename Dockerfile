# The image of web, worker, beat and migrations. It starts no database and no Redis: give it
# DATABASE_URL, REDIS_URL and the other variables of .env.example.

FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv /opt/venv
ENV PATH="/opt/venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1
COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY manage.py ./
COPY kobatela ./kobatela
COPY audit ./audit
COPY escrow ./escrow
COPY payments ./payments
COPY proofs ./proofs
COPY spend ./spend
COPY scripts ./scripts
# Style sheets and scripts of the pages; needs settings that load, but none that lead anywhere.
RUN KOBATELA_STATIC_DIR=/app/static python -m scripts.collect_static

FROM python:3.11-slim
WORKDIR /app
RUN groupadd --system --gid 10001 kobatela \
    && useradd --system --uid 10001 --gid kobatela --no-create-home --home-dir /app kobatela \
    && install --directory --owner kobatela --group kobatela /app/var
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH="/opt/venv/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    KOBATELA_STATIC_DIR=/app/static
USER 10001:10001
VOLUME ["/app/var"]
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "scripts.container_health"]
CMD ["granian", "kobatela.wsgi:application", "--interface", "wsgi", "--host", "0.0.0.0", \
     "--port", "8000", "--http", "1", "--no-ws", "--workers", "2", "--blocking-threads", "4", \
     "--workers-kill-timeout", "15"]
