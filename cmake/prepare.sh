# What the scripts share that build something; to be sourced. They define say() first, which prints
# a line.

# The number of jobs: $JOBS, else the processors, but about 1 GB of memory for each compiler.
job_count() {
  if [ -n "${JOBS:-}" ]; then echo "$JOBS"; return; fi
  job_count_=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
  if [ -r /proc/meminfo ]; then
    job_count_fit_=$(awk '/^MemAvailable:/ { print int($2 / 1000000) }' /proc/meminfo)
    [ "${job_count_fit_:-0}" -ge 1 ] || job_count_fit_=1
    [ "$job_count_" -le "$job_count_fit_" ] || job_count_=$job_count_fit_
  fi
  echo "$job_count_"
}

# -G Ninja for a build folder ($1) that is new, where ninja is there and nobody chose otherwise.
generator_option() {
  if [ ! -f "$1/CMakeCache.txt" ] && [ -z "${CMAKE_GENERATOR:-}" ] && command -v ninja >/dev/null
  then
    echo '-G Ninja'
  fi
}

has_apt() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

# Whether a Debian package is installed.
is_installed() {
  case $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) in
    *' installed') return 0 ;;
    *) return 1 ;;
  esac
}

# Installs Debian packages; false if that cannot be done. A password is asked for only where
# somebody can type it and $may_ask is not "no".
apt_install() {
  as_root_=
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || return 1
    as_root_=sudo
    if [ ! -t 0 ] || [ "${may_ask:-yes}" = no ]; then as_root_='sudo -n'; fi
  fi
  # Nobody should wait for a network that is not there.
  apt_options_='-o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10 -o Acquire::Retries=0'
  # shellcheck disable=SC2086  # lists of words
  { $as_root_ apt-get update -q $apt_options_ &&
    $as_root_ env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      $apt_options_ "$@"; } </dev/null
}

# Sees to it that the tools for a build are there, and the Debian packages that are named. On Debian
# and Ubuntu what is missing is installed; elsewhere $1 is what to say that is needed. False if a
# tool is missing in the end.
prepare() {
  needed_in_words_=$1
  shift
  missing_tools
  missing_=$missing_tools_
  if has_apt; then
    for package_ in "$@"; do
      is_installed "$package_" || missing_="$missing_ $package_"
    done
    if [ -n "$missing_" ]; then
      say "installing with apt-get:$missing_"
      # shellcheck disable=SC2086  # a list of words
      apt_install $missing_ || say "could not install them; going on with what is there"
    fi
  else
    say "needs $needed_in_words_"
  fi
  missing_tools
  if [ -n "$missing_tools_" ]; then
    say "not found:$missing_tools_"
    return 1
  fi
}

# Installs the Debian packages that are named if they are missing, all or none of them. Where that
# cannot be done, what needs them is left out.
install_if_possible() {
  has_apt || return 0
  missing_=
  for package_ in "$@"; do
    is_installed "$package_" || missing_="$missing_ $package_"
  done
  [ -n "$missing_" ] || return 0
  say "installing with apt-get:$missing_"
  # shellcheck disable=SC2086  # a list of words
  apt_install $missing_ || say "could not install them; what needs them is skipped"
}

# Assigns to missing_tools_ the packages of those tools that are not there: CMake, a builder and
# the compiler ($CXX, or clang++ where $compiler says so, or any).
missing_tools() {
  missing_tools_=
  command -v cmake >/dev/null || missing_tools_="$missing_tools_ cmake"
  command -v ninja >/dev/null || command -v make >/dev/null || missing_tools_="$missing_tools_ make"
  if [ "${compiler:-}" = clang++ ]; then
    command -v clang++ >/dev/null || missing_tools_="$missing_tools_ clang"
  elif [ -z "${CXX:-}" ]; then
    command -v c++ >/dev/null || command -v g++ >/dev/null || missing_tools_="$missing_tools_ g++"
  fi
}
