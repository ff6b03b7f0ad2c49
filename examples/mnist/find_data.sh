# Finds a data set for the example; to be sourced by run.sh. Needs say() and cmake/prepare.sh.
#
#   find_data    assigns a folder with the four files to $data ("" for the synthetic digits, which
#                need none) and says which it took, and why

# Where MNIST is published, and the MD5 sums of its files.
mnist_mirrors='https://ossci-datasets.s3.amazonaws.com/mnist
https://storage.googleapis.com/cvdf-datasets/mnist'
# The smallest file first: it shows soonest whether a mirror can be reached.
mnist_files='t10k-labels-idx1-ubyte.gz ec29112dd5afa0611ce80d1b7f02629c
t10k-images-idx3-ubyte.gz 9fb629c4189551a2d022fa330f9573f3
train-labels-idx1-ubyte.gz d53e105ee54ea40749a09fcbcd1e9432
train-images-idx3-ubyte.gz f68b3c2dcbeaaa9fbdd348bbdeb94873'
fashion_folder=${fashion_folder:-/usr/share/datasets/fashion-mnist}

find_data() {
  if [ -n "${CHAINRULE_MNIST:-}" ]; then
    data=$CHAINRULE_MNIST
    say "data: $data, which CHAINRULE_MNIST names"
    return
  fi
  if [ -n "${XDG_CACHE_HOME:-}" ]; then
    data=$XDG_CACHE_HOME/chainrule/mnist
  else
    data=${HOME:-/tmp}/.cache/chainrule/mnist
  fi
  if has_all_files "$data"; then
    say "data: MNIST, fetched earlier into $data"
  elif fetch_mnist "$data"; then
    say "data: MNIST, fetched from $mirror into $data"
  elif has_all_files "$fashion_folder" || install_fashion; then
    data=$fashion_folder
    say "data: Fashion-MNIST from the package dataset-fashion-mnist, for $why_no_mnist"
  else
    data=
    say "data: synthetic digits, for $why_no_mnist and Fashion-MNIST is not installed (package" \
        "dataset-fashion-mnist of Debian)"
  fi
}

has_all_files() {
  echo "$mnist_files" | while read -r file_ _; do
    [ -f "$1/$file_" ] || exit 1
  done
}

# Fetches what is not yet in the folder $1. A file gets its name only when its checksum is right. On
# success $mirror is where the last one came from, on failure $why_no_mnist says what went wrong.
fetch_mnist() {
  why_no_mnist="MNIST could not be fetched (is there a network?)"
  if ! command -v curl >/dev/null && ! command -v wget >/dev/null; then
    why_no_mnist="MNIST could not be fetched (neither curl nor wget is there)"
    return 1
  fi
  if ! mkdir -p "$1" 2>/dev/null || [ ! -w "$1" ]; then
    why_no_mnist="there is no place for MNIST ($1 cannot be written)"
    return 1
  fi
  temporary_=$1/.fetching-$$
  trap 'rm -f "$temporary_"' EXIT
  trap 'exit 130' INT TERM
  for mirror in $mnist_mirrors; do
    echo "$mnist_files" | {
      while read -r file_ sum_; do
        if [ ! -f "$1/$file_" ]; then
          [ "$file_" != train-images-idx3-ubyte.gz ] || say "fetching MNIST (12 MB) from $mirror"
          fetch "$mirror/$file_" "$temporary_" || exit 1
          computed_=$(cmake -E md5sum "$temporary_")
          [ "${computed_%% *}" = "$sum_" ] || exit 2
          mv "$temporary_" "$1/$file_" || exit 1
        fi
      done
    } && break
    if [ $? -eq 2 ]; then
      why_no_mnist="MNIST could not be fetched ($mirror gave files with another checksum)"
    fi
  done
  rm -f "$temporary_"
  trap - EXIT INT TERM
  has_all_files "$1"
}

# Fetches the address $1 into the file $2; false, without a word, if that cannot be done. It waits
# 2 seconds for a connection, and for as long as a slow one delivers something.
fetch() {
  if command -v curl >/dev/null; then
    curl -fsL --connect-timeout 2 --speed-limit 20000 --speed-time 4 --max-time 90 \
      -o "$2" "$1" 2>/dev/null
  else
    limit_=
    if command -v timeout >/dev/null; then limit_='timeout 90'; fi
    $limit_ wget -q --timeout=3 --tries=1 -O "$2" "$1" 2>/dev/null
  fi
}

# Installs Debian's package where nobody has to be asked.
install_fashion() {
  has_apt || return 1
  apt-cache show dataset-fashion-mnist >/dev/null 2>&1 || return 1
  say "installing the package dataset-fashion-mnist"
  may_ask=no apt_install dataset-fashion-mnist >/dev/null 2>&1 && has_all_files "$fashion_folder"
}
