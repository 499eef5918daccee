# Stands in for apache/kafka: the same jars on Debian's Java, at the same paths, for the same user,
# configured by the image's own class, kafka.docker.KafkaDockerWrapper, from the same variables.
ARG BASE
FROM $BASE
RUN apt-get update -q && apt-get install -qy --no-install-recommends openjdk-17-jre-headless
RUN useradd --uid 1000 --create-home --shell /bin/bash appuser \
    && mkdir -p /opt/kafka/config /opt/kafka/libs /etc/kafka/docker /mnt/shared/config /var/lib/kafka/data \
    && touch /etc/kafka/docker/server.properties /etc/kafka/docker/log4j2.yaml \
        /etc/kafka/docker/tools-log4j2.yaml \
    && chown -R appuser /opt/kafka /etc/kafka /mnt/shared/config /var/lib/kafka
COPY jars /opt/kafka/libs
COPY kafka-run /etc/kafka/docker/run
USER appuser
VOLUME /var/lib/kafka/data
CMD ["/etc/kafka/docker/run"]
