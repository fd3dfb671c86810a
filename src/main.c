#include "cmd/cmd.h"

static volatile sig_atomic_t stop;

static void ask_to_stop(int number)
{
	(void)number;
	stop = 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = ask_to_stop };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is an error of the write */
	return cmd_main(argc, (const char *const *)argv, &stop);
}
