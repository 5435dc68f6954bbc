FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# Without the embedded servers of a laptop: a container is told where its servers are.
COPY requirements.txt .
RUN sed '/^# only on a laptop/,$d' requirements.txt > /tmp/requirements.txt \
    && pip install -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

RUN useradd --system --uid 10001 --no-create-home gateway \
    && install -d -o gateway /var/lib/mlango/metrics
COPY . .

USER gateway
ENV DATA_DIR=/var/lib/mlango PROMETHEUS_MULTIPROC_DIR=/var/lib/mlango/metrics
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/health', timeout=3)"]

# gunicorn.conf.py has the rest; GUNICORN_CMD_ARGS and WEB_CONCURRENCY change it.
CMD ["gunicorn", "--bind", "0.0.0.0:5000", "--no-control-socket", "wsgi:app"]
