#!/usr/bin/perl
# registered.pl - two user agents on Net::SIP call each other through a registrar and proxy, for netsip_agents_test.
#
#   registered.pl PROXY ALICE BOB    addresses; bob registers and alice calls him, then she registers and he calls her
#
# It is the callee who re-INVITEs and who hangs up, so its requests run against the direction of the call.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Party;
use Scenario;

use constant ENOUGH => 20;    # RTP packets

my ($proxy, %at);
($proxy, @at{qw(alice bob)}) = @ARGV;

sub party {
    my ($name) = @_;
    return Party->new(
        at => $at{$name}, from => "sip:$name\@example.com", outgoing_proxy => $proxy, registrar => $proxy,
    );
}

sub talk {
    my ($caller, $callee, $when) = @_;
    $_->forgets for $caller, $callee;
    await("the callee hears the caller$when", sub { $callee->heard >= ENOUGH });
    await("the caller hears the callee$when", sub { $caller->heard >= ENOUGH });
}

sub one_call {
    my ($from, $caller, $to, $callee) = @_;
    my ($hung_up, $is_taken, $reinvites) = (0, 0, 0);
    about("$from calls $to");
    ok('the callee registers', $callee->registers);
    $callee->takes_calls(init_media => $callee->talks, cb_established => sub { $is_taken = 1 });
    $caller->invites("sip:$to\@example.com",
        init_media => $caller->talks, recv_bye => \$hung_up, cb_established => sub { $reinvites++ });
    same('the callee answers', 'OK', $caller->outcome) or exit 1;
    await('the callee knows that the call begins', sub { $is_taken });
    talk($caller, $callee, '');
    ok('the callee re-INVITEs the caller', $callee->reinvites);
    talk($caller, $callee, ' after that, too');
    same('the caller was re-INVITEd once', 1, $reinvites);
    my $dialog = $callee->call->{ctx};
    ok('for the callee the dialog is still from the caller to itself',
        $dialog->{incoming} && $dialog->{from} =~ /sip:$from@/ && $dialog->{to} =~ /sip:$to@/);
    ok('the BYE of the callee is answered', $callee->hangs_up);
    ok('the caller knows that the callee hung up', waited(sub { $hung_up }));
}

my ($alice, $bob) = map { party($_) } 'alice', 'bob';
one_call(alice => $alice, bob   => $bob);
one_call(bob   => $bob,   alice => $alice);
