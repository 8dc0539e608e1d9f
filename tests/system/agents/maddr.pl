#!/usr/bin/perl
# maddr.pl - a user agent on Net::SIP calls another by a URI that says with maddr where it is, for netsip_routing_test.
#
#   maddr.pl PROXY CALLER CALLEE    addresses
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Party;
use Scenario;

my ($proxy, $caller_at, $callee_at) = @ARGV;
my ($host, $port) = $callee_at =~ /^\[?(.*?)\]?:(\d+)$/;
my $uri = "sip:you.uas\@example.com:$port;maddr=" . ($host =~ /:/ ? "[$host]" : $host);

about('maddr, ' . ($host =~ /:/ ? 'IPv6' : 'IPv4'));
my $caller = Party->new(at => $caller_at, from => 'sip:me.uac@example.com', route => ["<sip:$proxy;lr>"]);
my $callee = Party->new(at => $callee_at);
my $is_over;
$callee->takes_calls(cb_cleanup => \$is_over);
$caller->invites("<$uri>");
same('the callee answers', 'OK', $caller->outcome) or exit 1;
my ($invite) = $callee->got('INVITE');
same('the INVITE comes from the proxy',        $proxy, $invite->peer);
same('its Request-URI is what the caller said', $uri,   $invite->target);
ok('the BYE of the caller is answered', $caller->hangs_up);
await('the callee knows that the call is over', sub { $is_over });
