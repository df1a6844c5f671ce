# A world in the browser, without installing anything else:
#   docker build -t tinyworlds . && docker run --rm -it -p 8765:8765 tinyworlds
# and open the address it prints, with 127.0.0.1 in place of the machine's name. Another world: add its name or file,
#   docker run --rm -it -p 8765:8765 -v "$PWD:/worlds" tinyworlds play zelda.world --browser --host 0.0.0.0 --port 8765
FROM python:3.12-slim

# g++ makes the kernels at first use; the other two are what OpenCV's wheel looks for
RUN apt-get update && apt-get install --yes --no-install-recommends g++ libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

# from PyTorch's CPU index: a container without a GPU needs no gigabytes of CUDA
RUN pip install --no-cache-dir "torch>=2.9,<2.14" --index-url https://download.pytorch.org/whl/cpu
COPY . /source
RUN pip install --no-cache-dir /source && rm -rf /source

RUN useradd --create-home player
USER player
WORKDIR /worlds
EXPOSE 8765
ENTRYPOINT ["tinyworlds"]
CMD ["play", "doom", "--browser", "--host", "0.0.0.0", "--port", "8765"]
