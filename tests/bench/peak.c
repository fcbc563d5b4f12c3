/* peak COMMAND...: runs it and prints the most memory that it or a program it started had, in KB; its output goes to
 * /dev/null. For tests/bench/run. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status = 0;
	if (argc < 2) {
		fputs("usage: peak COMMAND...\n", stderr);
		return 2;
	}
	pid_t pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);
		if (null < 0 || dup2(null, 1) < 0)
			_exit(127);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || getrusage(RUSAGE_CHILDREN, &usage)) {
		perror("peak");
		return 1;
	}
	printf("%ld\n", usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
